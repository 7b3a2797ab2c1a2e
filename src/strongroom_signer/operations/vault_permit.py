"""`vault_permit`: the HSM key's Permit for one exact Safe transaction, a payment or the rejection
of a nonce; `vault_batch`: for several payments in one. Evidence, not orders: everything is
recomputed from what people signed.

Who signed: the initiator the intent, the owners the Safe transaction and its readable twin, the
screener the clearance. Checked: wallet = the organisation's own vault, policy version, epoch,
expiry, destination in the signed book and past cooling, limits, one payment and one rejection a
nonce, one Permit an intent for ever. In a batch each payment is judged and counted by itself, after
those before it; one that fails refuses all.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from strongroom_protocol.addresses import ZERO
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.evidence import Approval, Approved, Clearance, recover_approvals
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.policy import Verdict
from strongroom_protocol.rates import RateStatement
from strongroom_protocol.safe import (
    BATCH_MAX,
    Payment,
    SafeTx,
    batch_safe_tx,
    payment_safe_tx,
    rejection_safe_tx,
)
from strongroom_protocol.signatures import Signature
from strongroom_signer.agreement import agreed_batch, agreed_payment
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.operations import judging
from strongroom_signer.operations.clearances import remember_list_version
from strongroom_signer.operations.installed import (
    INSTALLED,
    Installed,
    read_installed,
    sign_permit,
)
from strongroom_signer.operations.reading import anything, signature_at

# A rejection only consumes its nonce, so its Permit may wait long for a miner.
REJECTION_SECONDS = 30 * 86_400
_ORDER = frozenset({"intent", "initiator_signature", "approvals", "clearance"})
_NAMES = frozenset({"organisation", "safe_nonce", "dry_run"})


@dataclass(frozen=True, slots=True)
class Order:
    """One payment that is asked for, read strictly; nothing of it is believed yet."""

    intent: Withdrawal
    id: bytes
    initiator_signature: Signature
    approvals: tuple[Approval, ...]
    clearance: Any
    rates: tuple[RateStatement, ...]

    @property
    def payment(self) -> Payment:
        """What it pays."""
        return Payment(self.intent.token, self.intent.to, self.intent.units)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a Permit; `id` is its name for ever, a single payment's is its intent."""

    organisation: Organisation
    orders: tuple[Order, ...]
    id: bytes
    kind: str
    safe_tx: SafeTx
    safe_tx_hash: bytes
    installed: Installed

    @property
    def identity(self) -> bytes:
        """What a retry must repeat; each intent of a batch is entered with it."""
        return keccak256(self.kind.encode() + self.safe_tx_hash)


def vault_permit(house: House, body: dict[str, Any], _trace: str) -> Once | Plan:
    """→ {safe_tx_hash, policy_version, valid_until, permit_signature}; dry: the verdict alone."""
    optional = judging.OPTIONAL | INSTALLED
    members = Members(body, "body", {*_NAMES, *_ORDER, "kind"}, optional)
    organisation = find(house, members.hash32("organisation"))
    order = _read_order(house, organisation, members)
    kind, nonce = members.choice("kind", frozenset({"payment", "rejection"})), _nonce(members)
    chain_id, vault = house.config.chain_id, organisation.vault
    paid, request_id = order.payment, order.id
    if kind == "payment":
        safe_tx = payment_safe_tx(paid.token, paid.to, paid.units, nonce)
    else:
        safe_tx, paid = rejection_safe_tx(vault, nonce), Payment(ZERO, vault, 0)
        request_id = keccak256(b"rejection" + vault + nonce.to_bytes(32, "big"))
    tx_hash = agreed_payment(chain_id, vault, safe_tx, paid)
    installed = read_installed(house, organisation, members)
    asked = Asked(organisation, (order,), request_id, kind, safe_tx, tx_hash, installed)
    return _answer(house, asked, "vault_permit", dry=members.boolean("dry_run"))


def vault_batch(house: House, body: dict[str, Any], _trace: str) -> Once | Plan:
    """The same for `payments` of one vault in their order, by MultiSendCallOnly: all or none."""
    members = Members(body, "body", {*_NAMES, "payments"}, INSTALLED)
    organisation = find(house, members.hash32("organisation"))

    def read(value: object, path: str) -> Order:
        return _read_order(house, organisation, Members(value, path, {*_ORDER}, judging.OPTIONAL))

    orders = tuple(members.list("payments", read, minimum=2, maximum=BATCH_MAX))
    require(
        len({order.id for order in orders}) == len(orders), "intent_twice", "an intent pays once"
    )
    paid, multi_send = tuple(order.payment for order in orders), house.deployment.multi_send
    safe_tx = batch_safe_tx(paid, _nonce(members), multi_send)
    tx_hash = agreed_batch(house.config.chain_id, organisation.vault, safe_tx, paid, multi_send)
    request_id = keccak256(b"batch" + b"".join(order.id for order in orders))
    installed = read_installed(house, organisation, members)
    asked = Asked(organisation, orders, request_id, "payment", safe_tx, tx_hash, installed)
    return _answer(house, asked, "vault_batch", dry=members.boolean("dry_run"))


def _answer(house: House, asked: Asked, op: str, *, dry: bool) -> Once | Plan:
    if dry:
        require_alive(house, asked.organisation)
        return _dry_verdict(house, asked)
    prepare = _prepare_payment if asked.kind == "payment" else _prepare_rejection
    return Once(
        op,
        asked.id,
        asked.identity,
        lambda: prepare(house, asked),
        lambda plan: sign_permit(house, asked.organisation.vault, asked.installed, plan),
        lambda: require_alive(house, asked.organisation),
        built_upon=True,
    )


def _nonce(members: Members) -> int:
    return members.integer("safe_nonce")


def _read_order(house: House, organisation: Organisation, members: Members) -> Order:
    intent = Withdrawal.from_fields(members.part("intent", anything), field="intent")
    require(
        intent.wallet == organisation.vault,
        "wallet_differs",
        "the intent's wallet is not the vault that follows from the organisation's genesis",
    )
    judging.check_epoch(house, intent.store_epoch)
    return Order(
        intent=intent,
        id=intent.digest(house.config.chain_id),
        initiator_signature=members.part("initiator_signature", signature_at),
        approvals=members.list("approvals", _approval, maximum=judging.APPROVALS_MAX),
        clearance=members.part("clearance", anything),
        rates=judging.read_rates(members, organisation),
    )


def _approval(value: object, path: str) -> Approval:
    members = Members(value, path, {"safe_tx_signature", "payment_signature"})
    readable = None
    if not members.is_null("payment_signature"):
        readable = members.part("payment_signature", signature_at)
    return Approval(members.part("safe_tx_signature", signature_at), readable)


def _prepare_payment(house: House, asked: Asked) -> Plan:
    """Check: Effect, inside the unit."""
    organisation, nonce = asked.organisation, asked.safe_tx.nonce
    valid_until = organisation.lapses_at
    for order in asked.orders:
        judged = _judge(house, asked, order)
        judging.require_allowed(judged.verdict)
        clearance = _cleared(house, asked, order)
        _check_free(house, asked, order)
        remember_list_version(house, clearance)
        judging.count_payment(house, order.id, organisation, judged.facts)
        valid_until = min(valid_until, order.intent.valid_until, clearance.valid_until)
        if order.id != asked.id:
            # The intent's own name is used up, as if it had been permitted alone.
            row = (order.id, "vault_batch", asked.identity, "{}", house.clock.now())
            house.journal.add("request", None, *row)
    slot = (organisation.vault, nonce, "payment")
    house.journal.add("vault_nonce", *slot, asked.id, asked.id, asked.safe_tx_hash)
    return _plan(asked, valid_until)


def _check_free(house: House, asked: Asked, order: Order) -> None:
    """One payment a nonce, and none after its rejection."""
    vault, nonce = asked.organisation.vault, asked.safe_tx.nonce
    paid = house.journal.one(
        "SELECT intent FROM vault_nonce WHERE vault = ? AND nonce = ? AND kind <> 'rejection'",
        vault,
        nonce,
    )
    require(
        paid is None or bytes(paid[0]) == asked.id,
        "safe_nonce_taken",
        f"nonce {nonce} of this vault belongs to another payment or change for ever",
    )
    rejected = house.journal.one(
        "SELECT 1 FROM vault_nonce WHERE vault = ? AND kind = 'rejection'"
        " AND (intent = ? OR nonce = ?)",
        vault,
        order.id,
        nonce,
    )
    require(
        rejected is None,
        "intent_rejected",
        "this intent, or this nonce, was rejected by its owners; a rejection is final",
    )


def _prepare_rejection(house: House, asked: Asked) -> Plan:
    """Owners up to the threshold kill a nonce; the intent's own expiry does not matter. Of a batch
    any of its intents may be named: all of them die with the nonce.
    """
    organisation, vault, nonce = asked.organisation, asked.organisation.vault, asked.safe_tx.nonce
    (order,) = asked.orders
    approved = _approved(house, asked, order)
    threshold = organisation.bundle.control.threshold
    require(
        len(approved.approvers) >= threshold,
        "approvals_missing",
        f"{len(approved.approvers)} of {threshold} owners have signed the rejection",
    )
    row = house.journal.one(
        "SELECT own.id FROM vault_nonce JOIN request AS paid ON paid.id = request_id"
        " LEFT JOIN request AS own ON own.identity = paid.identity AND own.id = ?"
        " WHERE vault = ? AND nonce = ? AND kind <> 'rejection'",
        order.id,
        vault,
        nonce,
    )
    require(
        row is None or row[0] is not None,
        "safe_nonce_taken",
        f"nonce {nonce} of this vault belongs to another intent than the one named here",
    )
    slot = (vault, nonce, "rejection")
    house.journal.add("vault_nonce", *slot, asked.id, order.id, asked.safe_tx_hash)
    return _plan(asked, house.clock.now() + REJECTION_SECONDS)


def _plan(asked: Asked, valid_until: int) -> Plan:
    return {
        "kind": asked.kind,
        "intent": to_hex(asked.orders[0].id),
        "max_fee_wei": str(sum(order.intent.max_fee_wei for order in asked.orders)),
        "safe_tx": asked.safe_tx.fields(),
        "safe_tx_hash": to_hex(asked.safe_tx_hash),
        "policy_version": asked.organisation.bundle.version,
        "valid_until": valid_until,
    }


def _approved(house: House, asked: Asked, order: Order) -> Approved:
    return recover_approvals(
        asked.organisation.people_now,
        order.intent,
        order.initiator_signature,
        asked.safe_tx,
        order.approvals,
        house.clock.now(),
        multi_send=house.deployment.multi_send,
    )


def _judge(house: House, asked: Asked, order: Order) -> judging.Judged:
    approved = _approved(house, asked, order)
    return judging.judge(house, asked.organisation, order.intent, approved, order.rates)


def _cleared(house: House, asked: Asked, order: Order) -> Clearance:
    return judging.cleared(house, asked.organisation, order.id, order.intent.to, order.clearance)


def _dry_verdict(house: House, asked: Asked) -> Plan:
    verdict = Verdict("allowed", "rejection", "A rejection may be signed.")
    if asked.kind == "payment" and len(asked.orders) == 1:
        verdict = _rehearsed(house, asked)
    elif asked.kind == "payment":
        with suppress(_Undone), house.journal.unit():
            verdict = _rehearsed(house, asked)
            raise _Undone
    tx_hash = to_hex(asked.safe_tx_hash)
    return judging.dry_answer(asked.organisation, verdict, safe_tx_hash=tx_hash)


class _Undone(Exception):
    """What was counted for a rehearsal is not kept."""


def _rehearsed(house: House, asked: Asked) -> Verdict:
    """On the first payment that is not allowed, or the last; those before it are counted."""
    last = asked.orders[-1]
    for order in asked.orders:
        judged = _judge(house, asked, order)
        _check_free(house, asked, order)
        if order.clearance is not None:
            _cleared(house, asked, order)
        if judged.verdict.kind != "allowed" or order is last:
            return judged.verdict
        judging.count_payment(house, order.id, asked.organisation, judged.facts)
    raise Refused("payments_missing", "a Permit of nothing is none")
