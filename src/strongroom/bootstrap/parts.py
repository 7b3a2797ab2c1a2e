"""How the parts of a process that serves several chains are called in health, logs and metrics."""

from collections.abc import Sized


def part_name(name: str, chain_id: int, chains: Sized) -> str:
    """The part's name; with its chain's number where there are several."""
    return name if len(chains) == 1 else f"{name} {chain_id}"
