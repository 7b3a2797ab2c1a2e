"""The relay's loop of vault changes: enough people signed → bound (commit) → the signer's Permit →
stored with its outgoing row (commit). The same way leads to the rejection of a nonce.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from strongroom.db import lease
from strongroom.db.claim_loop import ClaimLoop
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.check import check
from strongroom.kit.crash import crash_point
from strongroom.kit.log import logger
from strongroom.policy import service as policy
from strongroom.relay import service as relay
from strongroom.relay.types import FeeCap
from strongroom.signing.client import SignerClient
from strongroom.signing.errors import SignerRefused
from strongroom.vaults import steps
from strongroom.vaults.models import VaultStep
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.hashing import keccak256

LEASE_SECONDS: Final = 20
RETRY_SECONDS: Final = 1
REFUSED_SECONDS: Final = 15
BASE_GAS: Final = 400_000
ENTRY_GAS: Final = 60_000
"""A slot or two for each person, limit and destination that a new guard is given."""

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed step with what the signer is to see. `fresh`: it was not bound before."""

    organisation_id: UUID
    id: UUID
    fence: int
    kind: str
    body: Mapping[str, Any]
    payload: Mapping[str, Any]
    safe_tx_hash: bytes
    cap: FeeCap
    chain_id: int
    gas: int
    fresh: bool
    request_id: str


class StepLoop(ClaimLoop["Work"]):
    """One step() takes one change that enough people signed."""

    CLAIMED = "vault_step.after_bind"
    WAITS = "vault_step.waits"

    def __init__(self, database: Database, signer: SignerClient, chain_id: int) -> None:
        """The database's role serves all organisations; the signer, those of its chain."""
        super().__init__(database, chain_id)
        self._signer = signer

    def _claim(self, uow: UnitOfWork) -> Work | None:
        return _claim(uow, self._chain_id)

    def _act(self, work: Work) -> None:
        try:
            permit = self._signer.call("vault_change", work.body)
            crash_point("vault_step.after_permit")
            self._store(work, permit)
        except SignerRefused as refusal:
            self._refused(work, refusal)

    def _defer(self, uow: UnitOfWork, work: Work, sentence: str) -> None:
        _wait(uow, work, sentence, RETRY_SECONDS)

    def _store(self, work: Work, permit: Mapping[str, Any]) -> None:
        signed = from_hex(permit["safe_tx_hash"], 32)
        check(signed == work.safe_tx_hash, "the signer permits the transaction that people signed")
        with self._database.unit(None, self._actor) as uow:
            row = _mine(uow, work)
            if row is None:
                return
            signature = from_hex(permit["permit_signature"], 65)
            row.outgoing_id = relay.enqueue(
                uow,
                row.organisation_id,
                "vault_execution",
                keccak256(b"strongroom.vault_step" + signature + row.turn.to_bytes(4, "big")),
                work.payload,
                chain_id=work.chain_id,
                cap=work.cap,
                gas=work.gas,
            )
            row.turn += 1
            row.due_at, row.lease_until, row.updated_at = None, None, uow.now
            if work.kind == "step":
                row.state, row.reason = "sent", "The signer permitted it; the relay sends it."
            else:
                row.reason = "The rejection is permitted; the nonce is free once that is final."
            steps.tell(uow, row)

    def _refused(self, work: Work, refusal: SignerRefused) -> None:
        """A first no costs nothing: the signer signed nothing for this nonce. A later one may hide
        an answer that was lost, so only a mined rejection frees the nonce.
        """
        log.warning("vault_step.refused", step=str(work.id), code=refusal.signer_code)
        sentence = f"The signer refuses: {refusal.message}"
        if work.kind == "step" and not work.fresh:
            with self._database.unit(None, self._actor) as uow:
                row = _mine(uow, work)
                if row is not None:
                    steps.begin_voiding(uow, row, sentence)
            return
        with self._database.unit(None, self._actor) as uow:
            _wait(uow, work, sentence, REFUSED_SECONDS, unbind=work.fresh)


def _wait(
    uow: UnitOfWork, work: Work, sentence: str, seconds: int, *, unbind: bool = False
) -> None:
    row = _mine(uow, work)
    if row is not None:
        if unbind:
            row.state, row.bound_at = "signing", None
        row.due_at, row.lease_until = uow.now + timedelta(seconds=seconds), None
        row.reason, row.updated_at = sentence, uow.now


def _claim(uow: UnitOfWork, chain_id: int) -> Work | None:
    """Lease what is due, bind its nonce, and say what the signer is to see."""
    rows = lease.claim(
        uow,
        "vault_step",
        "due_at <= %(now)s AND state IN ('signing', 'binding', 'voiding')",
        LEASE_SECONDS,
        1,
        parameters={"now": uow.now},
        order="due_at, id",
        chain_id=chain_id,
    )
    if not rows:
        return None
    row = steps.lock(uow, rows[0]["organisation_id"], rows[0]["id"])
    bundle = policy.active(uow, row.organisation_id).bundle
    kind, fresh = ("rejection" if row.state == "voiding" else "step"), row.bound_at is None
    if fresh:
        row.state, row.bound_at, row.updated_at = "binding", uow.now, uow.now
        uow.session.flush()
    change = row.change
    entries = sum(len(change.get(name, ())) for name in ("limits", "destinations", "freezers"))
    return Work(
        organisation_id=row.organisation_id,
        id=row.id,
        fence=row.attempt,
        kind=kind,
        body={
            "organisation": to_hex(bundle.organisation),
            "safe_nonce": row.safe_nonce,
            "phase": "reject" if kind == "rejection" else row.phase,
            "change": change,
            "signatures": [to_hex(raw) for _, raw in steps.signatures(uow, row, kind)],
            "installed": {
                "guard": checksum(Address(row.guard)),
                "permit_signer": checksum(Address(row.permit_signer)),
            },
        },
        payload={
            "organisation": to_hex(bundle.organisation),
            "safe_tx_hash": to_hex(row.safe_tx_hash if kind == "step" else row.rejection_hash),
            "signatures": [to_hex(raw) for raw in steps.for_chain(uow, row, kind)],
            "threshold": row.threshold,
        },
        safe_tx_hash=row.safe_tx_hash if kind == "step" else row.rejection_hash,
        cap=FeeCap(bundle.max_fee_per_gas_wei, bundle.max_total_fee_wei),
        chain_id=bundle.chain_id,
        gas=BASE_GAS + entries * ENTRY_GAS,
        fresh=fresh,
        request_id=row.request_id,
    )


def _mine(uow: UnitOfWork, work: Work) -> VaultStep | None:
    if not lease.still_mine(
        uow, "vault_step", work.id, work.fence, organisation_id=work.organisation_id
    ):
        return None
    row = steps.lock(uow, work.organisation_id, work.id)
    # Its block may have come while the signer was asked: anybody may send what is signed.
    expected = ("voiding",) if work.kind == "rejection" else ("binding",)
    return row if row.state in expected else None
