"""Keccak-256 as Ethereum has it (the padding before FIPS 202)."""

import sha3


def keccak256(raw: bytes) -> bytes:
    """32 bytes."""
    digest: bytes = sha3.keccak_256(raw).digest()
    return digest
