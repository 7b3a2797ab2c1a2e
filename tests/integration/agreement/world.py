"""The three enforcers side by side under one clock: the pure rules, the real signer on a SoftHSM
token with its journal, the deployed guard on Anvil. A round is one payment of each organisation at
one moment, and answers what each of the three said and counted.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from strongroom.cli.dev.softhsm import SoftToken
from strongroom_protocol.addresses import Address
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.facts import Facts
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.permit import Permit
from strongroom_protocol.policy import Verdict, evaluate
from strongroom_protocol.rates import value_units
from strongroom_protocol.safe import (
    exec_calldata,
    pack_signatures,
    payment_safe_tx,
    permit_tail,
    rejection_safe_tx,
    safe_tx_hash,
)
from strongroom_protocol.signatures import Signature
from strongroom_signer.authority.organisations import find
from strongroom_signer.operations.history import Journalled
from strongroom_signer.operations.limits import spent_units
from strongroom_signer.serve.dispatch import BATCH_MAX
from strongroom_signer.settings import Settings
from strongroom_signer.token.pins import Pin
from tests.factories.parts.anvil import fresh_chain
from tests.factories.parts.place import short_folder
from tests.integration.agreement.acts import COOLING
from tests.integration.agreement.firm import ASSETS, Body, Firm, rate
from tests.integration.agreement.model import Paid
from tests.integration.agreement.node import Mined, Node
from tests.integration.agreement.sending import execution, parsed
from tests.integration.strongroom_signer.conftest import START, Desk, opened_desk
from tests.integration.strongroom_signer.people import CHAIN_ID, Key

LONG = 80 * 86_400
THIEF = Key.named("a thief without the HSM")


@dataclass
class Seen:
    """One payment and what the three said. `signed`: the signer's answer; `dry`: to the rehearsal;
    `chain`: the guard's to the signer's own Permit; `stolen`: to a Permit that a thief of the HSM
    made; `forged`: to one of another key.
    """

    firm: Firm
    step: Body
    at: int
    intent: Withdrawal
    body: Body
    facts: Facts
    verdict: Verdict
    dry: Body | None = None
    signed: Body = field(default_factory=dict)
    chain: Mined | None = None
    stolen: Mined | None = None
    forged: Mined | None = None


@dataclass
class World:
    """Signer and chain with everything deployed, and the firms that live in them now."""

    desk: Desk
    node: Node
    names: int = 0

    @property
    def now(self) -> int:
        """The one clock."""
        return self.desk.clock.now()

    def found(self, scripts: Sequence[Body]) -> list[Firm]:
        """Organisations, each signed by all of its people, their vaults made and filled."""
        firms = []
        for script in scripts:
            self.names += 1
            firm = Firm(
                f"Firm {self.names}",
                next(self.desk.accounts),
                self.now,
                permit_signer=self.desk.house.config.keys.permit,
                script=script,
                tokens=self.node.tokens,
            )
            self.desk.get("policy_first", firm.policy_first())
            firm.begin(self.desk.house.deployment.vault_address(firm.parsed))
            firms.append(firm)
        self.desk.clock.advance(1)
        deployment = self.desk.house.deployment
        creations = [deployment.create_vault_calldata(firm.parsed) for firm in firms]
        self.node.found(creations, [firm.vault for firm in firms], self.now)
        return firms

    def ask_all(self, bodies: Sequence[Body], op: str = "vault_permit") -> list[Body]:
        """The signer's answers, in batches."""
        asked = [({"op": op, "trace": "agreement", "body": body}, False) for body in bodies]
        found: list[Body] = []
        for start in range(0, len(asked), BATCH_MAX):
            found += self.desk.dispatcher.answer_all(asked[start : start + BATCH_MAX])
        return found

    def judged(self, firm: Firm, step: Body) -> Seen:
        """The payment with its evidence, and the rules' verdict by the model's own history."""
        now = self.now
        intent = firm.intent_of(step, now)
        asset = ASSETS[step["asset"]]
        statements = [rate(asset, now, *one) for one in step["rates"]]
        facts = Facts(
            initiator=f"i{step['initiator']}",
            asset=asset,
            units=intent.units,
            destination=intent.to,
            now=now,
            spent_units=firm.permitted.day_units(asset, now),
            wallet=intent.wallet if step["by_key"] else None,
            wallet_spent_units=firm.permitted.day_units(asset, now, intent.wallet),
            approvers=frozenset(f"p{i}" for i in step["approvers"]),
            vault=firm.vault,
            value_units=value_units(firm.parsed.rates, statements, asset, intent.units, now),
            history=firm.permitted,
        )
        verdict = evaluate(firm.parsed, facts)
        return Seen(firm, step, now, intent, firm.body_of(step, intent, now), facts, verdict)

    def round(self, steps: Sequence[tuple[Firm, Body]]) -> list[Seen]:
        """All of them at this moment; what was permitted is mined, everything else is tried."""
        for firm, _ in steps:
            firm.now = self.now
        seen = [self.judged(firm, step) for firm, step in steps]
        for op, by_key in (("vault_permit", False), ("spending_payment", True)):
            self._ask([one for one in seen if one.step["by_key"] == by_key], op)
        for one in seen:
            if one.step["by_key"] and one.signed["ok"]:
                self._remember(one)
        by_vault = [one for one in seen if not one.step["by_key"]]
        self._try_without(by_vault)
        permitted = [one for one in by_vault if one.signed["ok"]]
        mined = self.node.paid([self._executed(one) for one in permitted], self.now)
        for one, fate in zip(permitted, mined, strict=True):
            one.chain = fate
            self._remember(one)
        self.reject([one for one in permitted if one.chain and one.chain.error])
        return seen

    def _ask(self, seen: Sequence[Seen], op: str) -> None:
        """The rehearsals first, then all."""
        rehearsed = [one for one in seen if one.step["dry"]]
        dry = self.ask_all([one.body | {"dry_run": True} for one in rehearsed], op)
        for one, answer in zip(rehearsed, dry, strict=True):
            one.dry = answer
        for one, answer in zip(seen, self.ask_all([one.body for one in seen], op), strict=True):
            one.signed = answer

    def reject(self, jammed: Sequence[Seen]) -> None:
        """What does not pass the guard stays in its place until the owners mine a rejection."""
        if not jammed:
            return
        answers = self.ask_all([_rejection(one) for one in jammed])
        self.desk.clock.advance(1)
        calls = []
        for one, answer in zip(jammed, answers, strict=True):
            assert answer["ok"], answer
            safe_tx = rejection_safe_tx(one.firm.vault, one.firm.safe_nonce)
            calls.append(execution(one.firm, safe_tx, _rejecting(one), answer["body"]))
        for one, fate in zip(jammed, self.node.paid(calls, self.now), strict=True):
            assert fate.error is None, fate
            one.firm.safe_nonce += 1
            one.firm.jams += 1

    def signer_spent(self, firm: Firm, asset: str) -> int:
        """What the signer counts now."""
        return spent_units(self.desk.house, firm.ref, asset)

    def signer_history(self, firm: Firm) -> Journalled:
        """What the signer's rules are given."""
        return Journalled(self.desk.house, find(self.desk.house, firm.ref))

    def _try_without(self, seen: Sequence[Seen]) -> None:
        """What the signer refused, under a Permit of a thief who has the HSM and everybody's keys;
        and a share of all under a Permit that no HSM made.
        """
        refused = [one for one in seen if not one.signed["ok"]]
        calls = [self._stolen(one, self._permit_by_hsm) for one in refused]
        for one, fate in zip(refused, self.node.tried(calls, self.now), strict=True):
            one.stolen = fate
        forged = [one for one in seen if one.step["forged"]]
        calls = [self._stolen(one, self._permit_by_thief) for one in forged]
        for one, fate in zip(forged, self.node.tried(calls, self.now), strict=True):
            one.forged = fate

    def _permit_by_hsm(self, digest: bytes) -> Signature:
        house = self.desk.house
        return house.keyring.permit(digest, house.config.keys.permit)

    def _permit_by_thief(self, digest: bytes) -> Signature:
        return Signature.parse(from_hex(THIEF.sign(digest)))

    def _stolen(self, one: Seen, sign: Any) -> tuple[Address, bytes]:
        firm, intent = one.firm, one.intent
        safe_tx = payment_safe_tx(intent.token, intent.to, intent.units, firm.safe_nonce)
        tx_hash = safe_tx_hash(CHAIN_ID, firm.vault, safe_tx)
        permit = Permit(firm.vault, tx_hash, firm.parsed.version, self.now + 60)
        signature = sign(permit.digest(CHAIN_ID, self.desk.house.deployment.guard))
        people = [(key.address, parsed(key.sign(tx_hash))) for key in firm.approvers]
        signatures = pack_signatures(people[: firm.parsed.vault.threshold])
        tail = permit_tail(permit.policy_version, permit.valid_until, signature)
        return firm.vault, exec_calldata(safe_tx, signatures + tail)

    def _executed(self, one: Seen) -> tuple[Address, bytes]:
        """The call that anybody may send, with as many of the people as the Safe asks for."""
        firm, intent = one.firm, one.intent
        safe_tx = payment_safe_tx(intent.token, intent.to, intent.units, firm.safe_nonce)
        signed = [
            (firm.approvers[i].address, approval["safe_tx_signature"])
            for i, approval in zip(one.step["approvers"], one.body["approvals"], strict=True)
        ]
        return execution(firm, safe_tx, signed, one.signed["body"])

    def _remember(self, one: Seen) -> None:
        facts, firm = one.facts, one.firm
        firm.permitted.payments.append(
            Paid(
                *(self.now, facts.asset, facts.units, facts.initiator, one.intent.wallet),
                *(facts.destination, facts.value_units),
            )
        )
        if one.chain is not None and one.chain.error is None:
            firm.safe_nonce += 1
            firm.guard.mined.append((self.now, one.intent.token, facts.units))


def _rejecting(one: Seen) -> list[tuple[Address, str]]:
    """Owners who sign the rejection of a payment's nonce."""
    firm = one.firm
    safe_tx = rejection_safe_tx(firm.vault, firm.safe_nonce)
    digest = safe_tx_hash(CHAIN_ID, firm.vault, safe_tx)
    keys = firm.approvers[: firm.parsed.vault.threshold]
    return [(key.address, key.sign(digest)) for key in keys]


def _rejection(one: Seen) -> Body:
    approvals = [
        {"safe_tx_signature": text, "payment_signature": None} for _, text in _rejecting(one)
    ]
    more = {"kind": "rejection", "approvals": approvals, "clearance": None}
    return {name: value for name, value in one.body.items() if name != "rates"} | more


@contextmanager
def opened_world(accounts: int) -> Iterator[World]:
    """A founded signer and a fresh chain; `accounts` are the organisations that it can take."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(short_folder("agree")))
        token = SoftToken(folder / "hsm")
        token.folder.mkdir()
        token.prepare()
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in token.environment().items():
            patch.setenv(name, value)
        settings = Settings(
            directory=folder / "signer",
            module=os.environ["STRONGROOM_PKCS11_MODULE"],
            chain_id=CHAIN_ID,
            signer_pin=Pin(files=(folder / "signer.pin",)),
            vault_pin=Pin(files=(folder / "vault-a.pin", folder / "vault-b.pin")),
        )
        desk = stack.enter_context(opened_desk(settings, accounts, cooling_seconds=COOLING))
        chain = stack.enter_context(fresh_chain())
        node = stack.enter_context(closing(Node(chain, desk.house.deployment, START)))
        yield World(desk, node)
