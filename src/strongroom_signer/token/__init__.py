"""PKCS#11: opening a token, making keys that never leave it, signing. One thread a process."""
