"""Judges the other side of a movement of money. Anything but CLEAR holds it."""
