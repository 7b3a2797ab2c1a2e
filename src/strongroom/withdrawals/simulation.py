"""The relay's loop that asks the node what a waiting payment would do, for its approvers to see.

It clears nothing: rows are written by the relay's role only, and read by pages and the API. Whoever
else would be paid is screened, and holds the payment until then.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from strongroom.chain.errors import BlockUnknown, ChainError, MethodMissing, NodeRefused
from strongroom.db.actor import Actor, system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.log import logger
from strongroom.withdrawals import recipients, repository, simulating, wallet
from strongroom.withdrawals.models import WithdrawalSimulation
from strongroom.withdrawals.simulating import Question, Simulated
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.decoded import Caution
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.safe import Payment

AGAIN_SECONDS: Final = 600
"""The chain moves on: an old answer is asked for anew while people still decide."""
RETRY_SECONDS: Final = 15
_TRACER: Final = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}

log = logger(__name__)


class AskedNode(Protocol):
    """The node as a simulation uses it. Errors are those of chain.errors."""

    def block_number(self) -> int:
        """Height of the newest block."""
        ...

    def code(self, address: bytes) -> bytes:
        """An account's code; empty when there is none."""
        ...

    def request(self, method: str, *parameters: Any) -> Any:
        """Any method, its result as plain JSON."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A payment that approvers are asked about, and the digest that they sign."""

    organisation_id: UUID
    id: UUID
    digest: bytes
    question: Question


class SimulationLoop:
    """One step asks about one payment."""

    def __init__(self, database: Database, node: AskedNode, chain_id: int) -> None:
        """The database's role serves all organisations; the node, those of its chain."""
        self._database = database
        self._node = node
        self._chain_id = chain_id
        self._actor: Actor = system("relay")

    def step(self) -> bool:
        """True when there was one. A node that is away leaves a caution, and is asked again."""
        with self._database.unit(None, self._actor) as uow:
            found = _next(uow, self._chain_id)
        if found is None:
            return False
        simulated = self._ask(found.question)
        with self._database.unit(None, self._actor) as uow:
            _keep(uow, found, simulated)
        return True

    def _ask(self, question: Question) -> Simulated:
        try:
            simulated = self._simulate(question)
            is_contract = bool(self._node.code(question.payment.to))
        except ChainError as error:
            log.warning("simulation.unavailable", code=error.code, reason=error.message)
            return simulating.unavailable(error.message)
        except (ValueError, LookupError, TypeError) as error:
            log.warning("simulation.no_answer", reason=repr(error)[:200])
            return simulating.unavailable("its answer can't be read.")
        if not is_contract:
            return simulated
        caution = Caution(
            "recipient_is_contract",
            f"{checksum(question.payment.to)} is a contract, not a person's account: whoever "
            "controls the contract controls the money.",
        )
        return Simulated(
            simulated.method,
            simulated.block_height,
            simulated.succeeded,
            simulated.changes,
            (*simulated.cautions, caution),
        )

    def _simulate(self, question: Question) -> Simulated:
        try:
            answer = self._node.request("eth_simulateV1", question.simulation(), "latest")
            return simulating.read_simulation(question, answer)
        except (MethodMissing, NodeRefused, BlockUnknown):
            height = self._node.block_number()
            answer = self._node.request("debug_traceCall", question.call(), hex(height), _TRACER)
            return simulating.read_trace(question, height, answer)


def _next(uow: UnitOfWork, chain_id: int) -> Waiting | None:
    """The payment that waits for approvals and whose answer is missing, old, or of other bytes."""
    row = repository.to_simulate(uow, chain_id)
    if row is None:
        return None
    token = ZERO if row.token is None else Address(row.token)
    payment = Payment(token, Address(row.destination), row.units)
    digest = row.intent if wallet.is_spending(row) else row.safe_tx_hash or row.intent
    question = Question(Address(row.wallet), payment)
    return Waiting(row.organisation_id, row.id, digest, question)


def _keep(uow: UnitOfWork, found: Waiting, simulated: Simulated) -> None:
    pause = RETRY_SECONDS if simulated.succeeded is None else AGAIN_SECONDS
    values = {
        "digest": found.digest,
        "method": simulated.method,
        "block_height": simulated.block_height,
        "succeeded": simulated.succeeded,
        "changes": [
            {"address": to_hex(one.address), "token": to_hex(one.token), "units": str(one.units)}
            for one in simulated.changes
        ],
        "cautions": [{"code": one.code, "text": one.text} for one in simulated.cautions],
        "asked_at": uow.now,
        "again_at": uow.now + timedelta(seconds=pause),
    }
    written = insert(WithdrawalSimulation).values(
        organisation_id=found.organisation_id, withdrawal_id=found.id, **values
    )
    uow.session.execute(
        written.on_conflict_do_update(
            index_elements=["organisation_id", "withdrawal_id"], set_=values
        )
    )
    row = repository.find(uow, found.organisation_id, found.id)
    recipients.ask(uow, row, (one.address for one in simulated.changes if one.units > 0))
