"""`strongroom-signer audit`: try every attack on a token whose PIN is known, report each answer.
Only session objects are made, so nothing stays behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pkcs11 import Attribute, ObjectClass

from strongroom_protocol.token_audit import TYPE
from strongroom_signer.audit import kek_attacks, key_attacks
from strongroom_signer.audit.raw import Denied, RawSession
from strongroom_signer.audit.stage import ATTACKS, Stage, Target, use
from strongroom_signer.audit.targets import targets_on
from strongroom_signer.errors import Unfit
from strongroom_signer.token import templates
from strongroom_signer.token.selfcheck import check_token
from strongroom_signer.token.session import TokenSession

# Imported for the table that they fill.
_TABLES = (kek_attacks, key_attacks)
_WRONG_PIN = b"00000000 this is wrong"


@dataclass(frozen=True, slots=True)
class Result:
    """One attack on one key; `answer` is the token's own."""

    id: str
    target: str
    tries: str
    passed: bool
    answer: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the token is, and what opens it."""

    module: str
    label: str
    pin: str = field(repr=False)
    lock: Path


@dataclass(frozen=True, slots=True)
class Report:
    """What the token withstood. `ours`: it holds the signer's own keys."""

    at: int
    chain_id: int
    token: dict[str, str]
    ours: bool
    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        """Whether something was tried and nothing was won."""
        return bool(self.results) and all(result.passed for result in self.results)

    def document(self) -> dict[str, Any]:
        """The JSON that the attest key signs."""
        return {
            "type": TYPE,
            "at": self.at,
            "chain_id": self.chain_id,
            "token": self.token,
            "ours": self.ours,
            "passed": self.passed,
            "attacks": [asdict(result) for result in self.results],
        }

    def lines(self) -> list[str]:
        """For people: a row an attack, then the sum."""
        rows = [
            f"{'ok  ' if one.passed else 'FAIL'}  {one.target:<20}  {one.tries:<70}  {one.answer}"
            for one in self.results
        ]
        failed = sum(not one.passed for one in self.results)
        attacks = len({one.id for one in self.results})
        words = f"{failed} WON: do not use this token" if failed else "none won"
        rows.append(f"{attacks} attacks, {len(self.results)} attempts: {words}.")
        return rows


def audit(place: Place, at: int, chain_id: int, *, at_start: bool) -> Report:
    """Attack the token. At a start only its own keys are attacked, without an RSA key to make and
    without a wrong PIN, which some tokens count. Raises Unfit where it cannot be opened.
    """
    token = TokenSession(place.module, place.label, place.pin, place.lock)
    kind = token.session.token
    slot = kind.slot.slot_id
    with ExitStack() as stack:
        with closing(token):
            if at_start:
                check_token(token)
            ours = token.find(ObjectClass.PRIVATE_KEY, templates.PERMIT) is not None
            raw = stack.enter_context(closing(RawSession(place.module, slot)))
            targets, results = _tried(token, raw, trial=not at_start)
            results.append(_read_only(place, slot))
        results += _logged_out(raw, targets)
        if not at_start:
            results.append(_wrong_pin(place, slot))
    facts = {
        "label": place.label,
        "manufacturer": str(kind.manufacturer_id),
        "model": str(kind.model),
        "serial": kind.serial.decode("ascii", "replace"),
    }
    return Report(at, chain_id, facts, ours, tuple(results))


def _tried(
    token: TokenSession, raw: RawSession, *, trial: bool
) -> tuple[list[Target], list[Result]]:
    """All attacks of somebody who is logged in. Raises Unfit: he cannot even begin."""
    try:
        stage = Stage.set_up(raw)
    except Denied as denied:
        raise Unfit(f"the token takes no session keys, so none can attack it: {denied}") from None
    targets, unready = targets_on(token, trial=trial)
    results = [
        Result("ready", name, "use the key as the signer does", passed=False, answer=why)
        for name, why in unready
    ]
    results += [result for target in targets for result in _attacked(stage, target)]
    return targets, results


def _attacked(stage: Stage, target: Target) -> list[Result]:
    """First what the signer does with the key: or else all would be refused for a wrong reason."""
    try:
        use(stage.raw, target)
    except Denied as denied:
        words = f"does not work: {denied.answer}"
        return [
            Result(
                "ready", target.name, "use the key as the signer does", passed=False, answer=words
            )
        ]
    return [
        _result(attack.id, target.name, attack.tries, partial(attack.attempt, stage, target))
        for attack in ATTACKS
        if target.kind in attack.kinds
    ]


def _result(name: str, target: str, tries: str, attempt: Callable[[], str]) -> Result:
    try:
        won = attempt()
    except Denied as denied:
        return Result(name, target, tries, passed=True, answer=denied.answer)
    return Result(name, target, tries, not won, won or "done, but nothing was won by it")


def _wrong_pin(place: Place, slot: int) -> Result:
    def attempt() -> str:
        with closing(RawSession(place.module, slot)) as raw:
            raw.login(_WRONG_PIN)
        return "it was taken"

    return _result("wrong-pin", place.label, "log in with a wrong PIN", attempt)


def _read_only(place: Place, slot: int) -> Result:
    lasting = [(Attribute.CLASS, ObjectClass.DATA), (Attribute.TOKEN, True)]

    def attempt() -> str:
        with closing(RawSession(place.module, slot, read_write=False)) as raw:
            raw.create([*lasting, (Attribute.VALUE, b"audit")])
        return "it was stored"

    tries = "store an object by a session that may only read"
    return _result("read-only-session", place.label, tries, attempt)


def _logged_out(raw: RawSession, targets: Sequence[Target]) -> list[Result]:
    def see() -> str:
        kinds = ObjectClass.PRIVATE_KEY, ObjectClass.SECRET_KEY
        seen = sum(len(raw.find([(Attribute.CLASS, kind)])) for kind in kinds)
        return f"{seen} keys are seen" if seen else ""

    def used(target: Target) -> str:
        use(raw, target)
        return "it was used"

    tries = "use the key by its old handle, logged out"
    return [
        _result("logged-out-see", "a second session", "see secret keys, logged out", see),
        *(_result("logged-out-use", one.name, tries, partial(used, one)) for one in targets),
    ]
