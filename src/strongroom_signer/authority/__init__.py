"""Whose signature counts: genesis, policy bundles, suspension, revocation, lapse."""
