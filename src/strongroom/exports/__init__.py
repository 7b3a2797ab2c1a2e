"""Bundles that prove themselves: what an organisation takes away, checked without trusting us."""
