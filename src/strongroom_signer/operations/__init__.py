"""One file an operation: strict reading, all checks, the journal's entry, then the key."""
