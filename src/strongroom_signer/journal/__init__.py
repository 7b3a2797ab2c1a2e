"""What the signer remembers by itself, for ever: receipts, requests, nonces, limits, policies."""
