"""The red team's stage: one attack after another on a running signer, each judged the same way.

A case is one small function: it sets the scene up by honest requests and returns the one request
that must be refused. The stage sees to it that the refusal has the named code, stands in the chain
of receipts, used no key and changed nothing else.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pkcs11 import Mechanism

from strongroom_protocol.addresses import Address
from strongroom_protocol.canonical import parse_json
from strongroom_protocol.intents import Withdrawal
from strongroom_signer.journal.schema import TABLES
from strongroom_signer.token import templates
from strongroom_signer.token.keyring import Keyring
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import Company
from tests.integration.strongroom_signer.test_relay import ask_for, permitted

Body = dict[str, Any]
Attack = dict[str, Any]


class Honoured(AssertionError):
    """The attack was not refused as it must be."""


@dataclass
class Uses:
    """How often the token's keys were used; those that only seal the signer's own files apart."""

    count: int = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count each signature and each unwrapped leaf; both happen as before."""
        use, unwrap = Keyring._use, templates.unwrap_leaf

        def counted_use(self_: Keyring, handle: Any, data: bytes, mechanism: Any) -> bytes:
            self.count += mechanism is not Mechanism.SHA256_HMAC
            return use(self_, handle, data, mechanism)

        def counted_unwrap(kek: Any, blob: bytes) -> Any:
            self.count += 1
            return unwrap(kek, blob)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Keyring, "_use", counted_use)
            patch.setattr(templates, "unwrap_leaf", counted_unwrap)
            yield


@dataclass(frozen=True)
class Case:
    """One attack: `tried` in words, `code` of the refusal, without `signer.`."""

    subject: str
    name: str
    tried: str
    code: str
    build: "Callable[[Scene], Attack]"


CASES: list[Case] = []


def attack(code: str) -> "Callable[[Callable[[Scene], Attack]], Callable[[Scene], Attack]]":
    """Enter a case; its name is the function's, what was tried is its docstring."""

    def enter(build: "Callable[[Scene], Attack]") -> "Callable[[Scene], Attack]":
        subject = build.__module__.rpartition(".")[2]
        words = " ".join((build.__doc__ or "").split())
        CASES.append(Case(subject, build.__name__, words, code, build))
        return build

    return enter


@dataclass
class Stage:
    """The signer under attack, and the judge."""

    desk: Desk
    uses: Uses

    def scene(self) -> "Scene":
        """A new scene for a case."""
        return Scene(self.desk)

    def strike(self, request: Attack, code: str) -> str:
        """The refusal's words; raises Honoured if anything is not as it must be."""
        journal = self.desk.house.journal
        size, head, entries, used = journal.size, journal.head, self.entries(), self.uses.count
        answer = self.desk.dispatcher.answer(request)
        judge(not answer["ok"], f"it was honoured: {answer}")
        judge(answer["code"] == f"signer.{code}", f"refused for something else: {answer}")
        judge(self.uses.count == used, "a key was used")
        judge(self.entries() == entries, "more than a receipt was left")
        query = "SELECT body, previous, hash FROM receipt WHERE seq > ? ORDER BY seq"
        (body, previous, digest), *more = journal.all(query, size) or [("", b"", b"")]
        judge(body, "it left no receipt")
        # Now and then the signer renews its mark by itself.
        judge(all('"op":"mark"' in row[0] for row in more), "it left several receipts")
        judge(previous == head, "the receipt does not follow the chain")
        judge(digest == hashlib.sha256(head + body.encode()).digest(), "the receipt's hash differs")
        said = parse_json(body.encode())
        judge((said["outcome"], said["code"]) == ("refused", answer["code"]), f"receipt: {said}")
        return str(answer["message"])

    def entries(self) -> Counter[str]:
        """Rows of every table but the receipts; all tables are append-only."""
        return Counter(
            {
                table: self.desk.house.journal.all(f"SELECT count(*) FROM {table}")[0][0]
                for table in TABLES
                if table != "receipt"
            }
        )


def judge(condition: object, what: str) -> None:
    """Check: the attack went as it must go."""
    if not condition:
        raise Honoured(what)


@dataclass
class Scene:
    """What a case works with: its own organisation, founded when it is first asked for."""

    desk: Desk
    _company: Company | None = None

    @property
    def company(self) -> Company:
        """The victim: two administrators, an initiator, two approvers of three."""
        if self._company is None:
            self._company = self.desk.company()
        return self._company

    @company.setter
    def company(self, company: Company) -> None:
        self._company = company

    @property
    def vault(self) -> Address:
        """The vault that follows from the organisation's genesis."""
        return self.desk.vault(self.company)

    def another(self) -> Company:
        """A second organisation on the same signer: an attacker who is a customer."""
        return self.desk.company()

    def intent(self, **changes: Any) -> Withdrawal:
        """A payment that the initiator signs."""
        return self.company.intent(self.vault, **changes)

    def paid(self, nonce: int = 0, **changes: Any) -> Withdrawal:
        """A payment that was permitted already."""
        intent = self.intent(**changes)
        self.get("vault_permit", self.company.payment(intent, nonce))
        return intent

    def executed(self, nonce: int = 0, **changes: Any) -> Body:
        """A permitted payment's execution by the relay, ready to be asked for."""
        return ask_for(self.company, "vault_execution", **permitted(
            self.desk, self.company, nonce, **changes
        ))  # fmt: skip

    def get(self, op: str, body: Body) -> Body:
        """An honest request, which must pass."""
        return self.desk.get(op, body)

    def update(self, signers: Sequence[Any] | None = None, **changes: Any) -> Body:
        """The next policy version, in force if it tightens."""
        bundle = self.company.next_bundle(**changes)
        keys = self.company.administrators if signers is None else signers
        body = self.company.policy_update(bundle, keys)
        self.get("policy_update", body)
        self.company.bundle = bundle
        return body

    def wait(self, seconds: int) -> None:
        """The signer's clock and the people's move on."""
        self.desk.clock.advance(seconds)
        self.company.now = self.desk.clock.now()


def ask(op: str, body: Body) -> Attack:
    """The request that is the attack."""
    return {"op": op, "trace": "red team", "body": body}


def permit(body: Body, **changes: Any) -> Attack:
    """A vault_permit with members put in the place of the honest ones."""
    return ask("vault_permit", body | changes)


def relay(body: Body, **changes: Any) -> Attack:
    """A relay request with members put in the place of the honest ones."""
    return ask("relay", body | changes)
