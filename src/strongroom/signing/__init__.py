"""The service's side of the signer's socket: evidence goes out, signatures come back."""
