"""The screener: answers queued requests with its own key, and asks again when lists change.

It looks an address up in a set; whatever it cannot answer holds the money. It never needs the
network.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.types.json import Jsonb

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.actor import system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.crash import crash_point
from strongroom.kit.metrics import counter, gauge
from strongroom.screening import repository
from strongroom.screening.alerts import open_alert
from strongroom.screening.repository import Claimed
from strongroom.screening.rules import ZERO_ADDRESS
from strongroom.screening.watchlist import Listing, Watchlist
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.evidence import Clearance, ClearedDeposit

ACTOR: Final = system("screener")
CLEARANCE_VALID: Final = timedelta(hours=24)
RENEW_BEFORE: Final = timedelta(hours=1)
"""A clearance that is still needed is renewed this long before it ends."""
LEASE_SECONDS: Final = 30
BATCH: Final = 64
_SHOWN_HITS: Final = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer before it is stored."""

    state: str
    reason: str
    hits: tuple[Listing, ...] = ()


def judge(subject: bytes, watchlist: Watchlist, accepted: str | None = None) -> Verdict:
    """CLEAR only if there are lists and none of them names the address; of nobody's money only if
    compliance takes it. `accepted`: its reason; it clears no address that is somebody's.
    """
    if watchlist.version == 0:
        return Verdict("ERROR", "No list was ever imported, so nobody can be cleared.")
    if subject == ZERO_ADDRESS and accepted is not None:
        return Verdict("CLEAR", f"Nobody paid it, and compliance accepts that: {accepted}")
    if subject == ZERO_ADDRESS:
        return Verdict(
            "UNSUPPORTED", "The zero address is nobody: the payer or payee is not known."
        )
    hits = watchlist.find(subject)
    if hits:
        named = ", ".join(
            f"{hit.list_name} ({hit.label})" if hit.label else hit.list_name
            for hit in hits[:_SHOWN_HITS]
        )
        return Verdict("HIT", f"{checksum(subject)} is listed: {named}.", hits)
    return Verdict("CLEAR", f"{checksum(subject)} is on no list of version {watchlist.version}.")


class Screener:
    """One step of the loop: learn new lists, ask again what is stale, answer what is queued."""

    def __init__(self, database: Database, key: Ed25519PrivateKey) -> None:
        """`database` with the role strongroom_screener."""
        self._database = database
        self._key = key
        self.watchlist = Watchlist()

    def step(self) -> bool:
        """True when something was answered or asked again."""
        self.refresh()
        with self._database.unit(None, ACTOR) as uow:
            again = repository.queue_stale(uow, self.watchlist.version, RENEW_BEFORE, BATCH)
            claimed = repository.claim(uow, LEASE_SECONDS, BATCH)
            nobodys = [one for one in claimed if one.subject == ZERO_ADDRESS]
            accepted = repository.accepted(uow, nobodys) if nobodys else {}
        crash_point("screener.claimed")
        for request in claimed:
            self._answer(request, accepted.get(request.id))
        return bool(again or claimed)

    def refresh(self) -> None:
        """Bring the set up to the newest version; a version is seen whole or not at all."""
        with self._database.read(None, ACTOR) as uow:
            newest = repository.newest_version(uow)
            if newest == self.watchlist.version:
                return
            changes = [
                change
                for change in repository.changes_after(uow, self.watchlist.version)
                if change.version <= newest
            ]
            self.watchlist.apply(changes, newest)
        gauge("strongroom_screening_list_version", "Newest list version known.").set(newest)
        gauge("strongroom_screening_listed", "Addresses listed.").set(len(self.watchlist))

    def check_lists(self) -> None:
        """A health check: raises while there is no list, since then all money is held."""
        if self.watchlist.version == 0:
            raise RuntimeError(
                "No list was imported yet, so nothing can be cleared: import one first"
            )

    def _answer(self, request: Claimed, accepted: str | None = None) -> None:
        """Judge, sign and store one answer, with alerts and the topic, in a unit of its own."""
        verdict = judge(request.subject, self.watchlist, accepted)
        version = self.watchlist.version or None
        with self._database.unit(
            request.organisation_id, ACTOR, request_id=request.request_trace or None
        ) as uow:
            valid_until = uow.now + CLEARANCE_VALID if verdict.state == "CLEAR" else None
            revision = repository.record(
                uow, request, state=verdict.state, list_version=version, valid_until=valid_until
            )
            if revision is None:
                return
            self._store(uow, request, verdict, revision, version)
            for hit in verdict.hits:
                _alert(uow, request, hit, version)
            outbox.enqueue(uow, request.topic, f"{request.id}:{revision}", request.payload)
            auditlog.append(
                uow, "screening.judged", str(request.id), _body(request, verdict, version)
            )
        counter("strongroom_screening_verdicts_total", "Answers given.", ("state",)).labels(
            verdict.state
        ).inc()

    def _store(
        self,
        uow: UnitOfWork,
        request: Claimed,
        verdict: Verdict,
        revision: int,
        version: int | None,
    ) -> None:
        document, signature = None, None
        if version is not None:
            signed = _clearance(uow, request, verdict, version)
            document, signature = Jsonb(signed.document()), self._key.sign(signed.signed_bytes())
        uow.execute(
            "INSERT INTO screening_verdict (organisation_id, request_id, revision, state, "
            "list_version, reason, document, signature, judged_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                request.organisation_id,
                request.id,
                revision,
                verdict.state,
                version,
                verdict.reason,
                document,
                signature,
                uow.now,
            ),
        )


def _clearance(uow: UnitOfWork, request: Claimed, verdict: Verdict, version: int) -> Clearance:
    now = int(uow.now.timestamp())
    deposit = None if request.deposit is None else _deposit(request.deposit)
    subject = Address(request.subject)
    if verdict.state == "CLEAR" and request.subject == ZERO_ADDRESS and deposit is not None:
        subject = deposit.address  # nobody paid: no clearance names the zero address
    return Clearance(
        organisation=str(request.organisation_id),
        direction="in" if request.direction == "in" else "out",
        subject=subject,
        intent=request.intent,
        deposit=deposit,
        verdict=verdict.state,
        list_version=version,
        screened_at=now,
        valid_until=now + int(CLEARANCE_VALID.total_seconds()),
    )


def _deposit(stored: dict[str, Any]) -> ClearedDeposit:
    token = bytes(20) if stored["token"] is None else from_hex(stored["token"], 20)
    return ClearedDeposit(
        chain_id=stored["chain_id"],
        tx_hash=from_hex(stored["tx_hash"], 32),
        log_index=stored["log_index"],
        token=Address(token),
        address=Address(from_hex(stored["address"], 20)),
        units=int(stored["units"]),
    )


def _alert(uow: UnitOfWork, request: Claimed, hit: Listing, version: int | None) -> None:
    """One alert for each (request, list entry), however often it is judged again."""
    subject = checksum(request.subject)
    open_alert(
        uow,
        organisation_id=request.organisation_id,
        kind="screening.hit",
        subject=subject,
        reference=f"{request.id}:{hit.list_name}:{subject.lower()}",
        detail={
            "request": str(request.id),
            "direction": request.direction,
            "list": hit.list_name,
            "label": hit.label,
            "list_version": version,
            "deposit": request.deposit,
        },
    )


def _body(request: Claimed, verdict: Verdict, version: int | None) -> dict[str, Any]:
    return {
        "direction": request.direction,
        "subject": checksum(request.subject),
        "verdict": verdict.state,
        "reason": verdict.reason,
        "list_version": version,
    }
