"""Attacks on a token with its PIN in hand: what must be refused by the token itself."""
