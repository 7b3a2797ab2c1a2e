"""Several payments of an organisation in one Safe transaction: the signer permits all or none, each
judged after those before it; the guard pays all or none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from strongroom_protocol.addresses import Address
from strongroom_protocol.permit import Permit
from strongroom_protocol.safe import (
    Payment,
    SafeTx,
    batch_safe_tx,
    exec_calldata,
    pack_signatures,
    permit_tail,
    safe_tx_hash,
)
from strongroom_protocol.signatures import Signature
from tests.integration.agreement.compare import COOLING_CODE, REFUSALS, Tally, is_cooling
from tests.integration.agreement.firm import OWN_VAULT, OWN_WALLET, Body, Firm
from tests.integration.agreement.generate import step_of
from tests.integration.agreement.model import GuardModel, Paid
from tests.integration.agreement.node import Mined
from tests.integration.agreement.sending import execution, parsed
from tests.integration.agreement.world import Seen, World
from tests.integration.strongroom_signer.people import CHAIN_ID

SHARE = 0.15
_PARTS = ("intent", "initiator_signature", "clearance", "rates")


@dataclass
class Batch:
    """Payments in their order, and what the first that fails is refused with (None: all pass)."""

    firm: Firm
    seen: list[Seen]
    codes: set[str]
    safe_tx: SafeTx
    body: Body

    @property
    def approvers(self) -> list[tuple[Address, str]]:
        """Who signed the Safe transaction for the first payment."""
        first = self.body["payments"][0]["approvals"]
        keys = [self.firm.approvers[i].address for i in self.seen[0].step["approvers"]]
        return [(key, one["safe_tx_signature"]) for key, one in zip(keys, first, strict=True)]


def beside(step: Body, firm: Firm, now: int) -> Body:
    """Now and then a vault's payment gets one to three others; by the step alone."""
    rng = Random(repr(sorted(step.items())))
    if step["by_key"] or rng.random() > SHARE:
        return {}
    others = [step_of(rng, firm, now) for _ in range(rng.choice((1, 1, 2, 3)))]
    return {"beside": [_of_vault(one) for one in others]}


def _of_vault(step: Body) -> Body:
    """The same step with the vault paying, which pays anybody but itself."""
    to = OWN_WALLET if step["to"] == OWN_VAULT else step["to"]
    return step | {"by_key": False, "to": to}


def compared(
    world: World, asked: Sequence[tuple[Firm, Body]], tally: Tally
) -> list[tuple[Firm, str]]:
    """All of these batches at this moment, and what was wrong."""
    for firm, _ in asked:
        firm.now = world.now
    batches = [_batch(world, firm, [step, *step["beside"]]) for firm, step in asked]
    wrong: list[tuple[Firm, str]] = []
    rehearsed = [one for one in batches if one.seen[0].step["dry"]]
    dry = world.ask_all([one.body | {"dry_run": True} for one in rehearsed], "vault_batch")
    for one, answer in zip(rehearsed, dry, strict=True):
        said = answer["ok"] and answer["body"]["verdict"] == "allowed"
        if said != (not one.codes):
            wrong.append((one.firm, f"rehearsed batch: expected {one.codes}, the signer {answer}"))
    answers = world.ask_all([one.body for one in batches], "vault_batch")
    for one, answer in zip(batches, answers, strict=True):
        code = set() if answer["ok"] else {answer["code"]}
        if (code or one.codes) and not code & one.codes:
            wrong.append((one.firm, f"a batch: expected {one.codes}, the signer {answer}"))
        if not answer["ok"]:
            _forget(one)
        tally.counts.update(("cases", "batches", f"batch: {answer.get('code', 'permitted')}"))
    return wrong + _mined(world, batches, answers, tally)


def _batch(world: World, firm: Firm, steps: list[Body]) -> Batch:
    """The payments judged one after the other: what is allowed counts for the next."""
    seen: list[Seen] = []
    codes: set[str] = set()
    for step in steps:
        one = world.judged(firm, step)
        seen.append(one)
        if not codes and is_cooling(one):
            codes = {COOLING_CODE}
        elif not codes and one.verdict.kind != "allowed":
            codes = REFUSALS[one.verdict.kind]
        if not codes:
            firm.permitted.payments.append(_paid(world, one))
    payments = [Payment(one.intent.token, one.intent.to, one.intent.units) for one in seen]
    multi_send = world.desk.house.deployment.multi_send
    safe_tx = batch_safe_tx(payments, firm.safe_nonce, multi_send)
    asked = [
        {name: one.body[name] for name in _PARTS}
        | {
            "approvals": [
                firm.approval(firm.approvers[i], one.intent, firm.safe_nonce, safe_tx)
                for i in one.step["approvers"]
            ]
        }
        for one in seen
    ]
    head = {"organisation": firm.reference, "safe_nonce": firm.safe_nonce, "dry_run": False}
    return Batch(firm, seen, codes, safe_tx, {**head, "payments": asked})


def _paid(world: World, one: Seen) -> Paid:
    facts = one.facts
    paid = (world.now, facts.asset, facts.units, facts.initiator, one.intent.wallet)
    return Paid(*paid, facts.destination, facts.value_units)


def _forget(batch: Batch) -> None:
    """Nothing of a refused batch counts."""
    kept = batch.firm.permitted.payments
    del kept[len(kept) - _counted(batch) :]


def _counted(batch: Batch) -> int:
    """How many of its payments were entered before the first that fails."""
    count = 0
    for one in batch.seen:
        if one.verdict.kind != "allowed" or is_cooling(one):
            break
        count += 1
    return count


def _mined(
    world: World, batches: Sequence[Batch], answers: Sequence[Body], tally: Tally
) -> list[tuple[Firm, str]]:
    """What was permitted is mined; what was refused is tried under a thief's Permit."""
    refused = [one for one, answer in zip(batches, answers, strict=True) if not answer["ok"]]
    house = world.desk.house

    def by_hsm(digest: bytes) -> Signature:
        return house.keyring.permit(digest, house.config.keys.permit)

    wrong = []
    tried = world.node.tried([_stolen(world, one, by_hsm) for one in refused], world.now)
    for one, fate in zip(refused, tried, strict=True):
        wrong += _guard_breaches(one, fate, world.now)
        tally.counts.update((f"stolen batch: {fate.error or 'paid within its limits'}",))
    permitted = [(one, a["body"]) for one, a in zip(batches, answers, strict=True) if a["ok"]]
    calls = [execution(one.firm, one.safe_tx, one.approvers, body) for one, body in permitted]
    fates = world.node.paid(calls, world.now)
    jammed = []
    for (one, _), fate in zip(permitted, fates, strict=True):
        wrong += _guard_breaches(one, fate, world.now)
        tally.counts.update((f"mined batch: {fate.error or 'paid'}",))
        if fate.error is None:
            one.firm.safe_nonce += 1
            paid = [(world.now, each.intent.token, each.intent.units) for each in one.seen]
            one.firm.guard.mined.extend(paid)
        else:
            jammed.append(one.seen[-1])
    world.reject(jammed)
    return wrong


def _guard_breaches(batch: Batch, fate: Mined, now: int) -> list[tuple[Firm, str]]:
    """The guard judges each payment after those before it, and pays all or none."""
    guard = batch.firm.guard
    model = GuardModel(guard.day_units, guard.usable_from, list(guard.mined))
    due = None
    for one in batch.seen:
        intent = one.intent
        due = model.refusal(intent.token, intent.to, intent.units, now)
        if due == "PermitGuard_ChangeNotAnnounced":  # in a batch nothing but payments may stand
            due = "PermitGuard_AssetNotListed"
        if due is not None:
            break
        model.mined.append((now, intent.token, intent.units))
    if fate.error == due:
        return []
    words = f"the guard answers a batch {fate.error or 'paid'}, configured is {due or 'paid'}"
    return [(batch.firm, words)]


def _stolen(world: World, batch: Batch, sign: Callable[[bytes], Signature]) -> Any:
    """The batch with everybody's keys and a Permit that the signer did not give."""
    firm = batch.firm
    tx_hash = safe_tx_hash(CHAIN_ID, firm.vault, batch.safe_tx)
    permit = Permit(firm.vault, tx_hash, firm.parsed.version, world.now + 60)
    signature = sign(permit.digest(CHAIN_ID, world.desk.house.deployment.guard))
    people = [(key.address, parsed(key.sign(tx_hash))) for key in firm.approvers]
    signed = pack_signatures(people[: firm.parsed.vault.threshold])
    tail = permit_tail(permit.policy_version, permit.valid_until, signature)
    return firm.vault, exec_calldata(batch.safe_tx, signed + tail)
