"""Double entry: the only place where a balance can change."""
