"""Ledger and chain side by side at finalized blocks; a difference freezes the account."""
