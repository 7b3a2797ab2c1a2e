"""Keccak-256 as Ethereum uses it (the padding of the original submission, not SHA3-256)."""

from sha3 import keccak_256


def keccak256(data: bytes) -> bytes:
    """32-byte Keccak-256 of `data` (Ethereum Yellow Paper, appendix on KEC)."""
    digest: bytes = keccak_256(data).digest()
    return digest
