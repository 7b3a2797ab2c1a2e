"""Jobs: one delivery task, and the handlers that the domains name."""
