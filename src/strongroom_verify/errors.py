"""The four checks, and the one error of everything that reads bytes."""

from typing import Literal

Check = Literal["INTEGRITY", "COMPLETENESS", "TIME", "CHAIN"]
CHECKS: tuple[Check, ...] = ("INTEGRITY", "COMPLETENESS", "TIME", "CHAIN")


class Malformed(ValueError):
    """Bytes that are not what their format says; the caller adds where they stand."""
