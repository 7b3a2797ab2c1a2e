"""What each outgoing transaction waits for, and what people should do about it. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from strongroom.relay import rules

STUCK_SECONDS: Final = 600
"""Ten minutes in which nothing came of it: somebody should look."""
NOTHING: Final = "Nothing: it goes on by itself."

Code = Literal["", "gap", "foreign_nonce", "dry", "bumped_out", "slow"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What nodes say of a key: counts of nonces, the lower of two answers, but for `pending`."""

    mined: int
    pending: int
    finalized: int
    is_dry: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """`code`: why it does not go on by itself, if it does not. `gap`: nonces before it that nobody
    here knows.
    """

    waits_for: str
    what_to_do: str
    code: Code = ""
    gap: int = 0

    @property
    def stuck(self) -> bool:
        """People should look."""
        return bool(self.code)


@dataclass(frozen=True, slots=True)
class Entry:
    """What decides about the advice. `known`: the key's unmined nonces that are ours."""

    purpose: str
    state: str
    nonce: int | None
    age: timedelta
    attempts: int
    last_error: str | None
    known: frozenset[int] = frozenset()


def advise(entry: Entry, standing: Standing | None) -> Advice:
    """What to do about a row that is not over; `standing` None: no node was asked yet."""
    old = entry.age > timedelta(seconds=STUCK_SECONDS)
    if entry.nonce is None:
        waits_for = entry.last_error or "its turn to be signed"
        look = "Look at the signer and the organisation's policy; the sentence says which."
        return Advice(waits_for, look if old else NOTHING, "slow" if old else "")
    if entry.state == "mined":
        return Advice("finality", NOTHING)
    if standing is None:
        return Advice("a node's word about its key's nonces", NOTHING)
    if entry.nonce < standing.mined:
        return _used(entry.nonce, standing, old=old)
    return _unused(entry, entry.nonce, standing, old=old)


def _used(nonce: int, standing: Standing, *, old: bool) -> Advice:
    if old and nonce < standing.finalized:
        return Advice(
            f"a block that shows what used nonce {nonce}, which is final",
            "Compare `strongroom indexer status` with the chain. If the indexer follows it, the "
            "key was used by somebody else: stop using it, and find out who holds it. Never send "
            "this under another nonce before it is certain that none of its attempts was mined.",
            "foreign_nonce",
        )
    return Advice("the block that mined it to be read and confirmed", NOTHING)


def _unused(entry: Entry, nonce: int, standing: Standing, *, old: bool) -> Advice:
    missing = sorted(set(range(standing.mined, nonce)) - entry.known)
    if missing:
        return Advice(
            f"nonces {missing[0]} to {missing[-1]} of its key, which no transaction here has",
            "The signer gave them to attempts that were never stored here, or another service "
            "uses the key. Find them in the signer's journal and send them, or let the officers "
            "set the next nonce with an epoch.",
            "gap",
            len(missing),
        )
    if nonce > standing.mined:
        return Advice(f"{nonce - standing.mined} transactions of its key before it", NOTHING)
    if standing.is_dry:
        return Advice("gas money", "Send coin to its key; the sums are in `purses`.", "dry")
    if old and entry.attempts >= rules.ATTEMPTS_MAX:
        return Advice(
            f"a block at the price of its {entry.attempts}th attempt",
            "Cancel it, or wait until the price of gas falls: it was bumped as often as allowed.",
            "bumped_out",
        )
    waits_for = entry.last_error or "a block"
    if not old:
        return Advice(waits_for, NOTHING)
    return Advice(waits_for, "Cancel it, or raise the fee caps of the policy.", "slow")
