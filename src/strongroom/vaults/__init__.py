"""Safe vaults: whose they are, where they will be, and when they are there."""
