"""Version 1 of the API: one file a domain, each with a `router`."""
