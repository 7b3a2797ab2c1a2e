"""The key ceremony: commands that make keys, check them, and exit. Only these meet the seed."""
