"""The relay's loop that asks why a transaction reverted, once it is mined, and keeps the answer."""

from typing import Any, Final, Protocol

from sqlalchemy import select

from strongroom.chain.errors import ChainError, ExecutionReverted, NodeUnavailable
from strongroom.db.actor import Actor, system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.log import logger
from strongroom.relay.models import Outgoing
from strongroom.relay.reverts import explain, explain_trace
from strongroom.relay.types import OutgoingView

PAUSE_SECONDS: Final = 0.5
UNKNOWN: Final = "the node keeps no traces, and the same call does not revert on the block before"
STRANGE: Final = "the node keeps no traces, and what it says of the transaction can't be read"

log = logger(__name__)


class TracingNode(Protocol):
    """The node as this loop uses it. Errors are those of chain.errors."""

    def request(self, method: str, *parameters: Any) -> Any:
        """Any method, its result as plain JSON."""
        ...


class RevertLoop:
    """One step explains one transaction."""

    def __init__(self, database: Database, node: TracingNode, chain_id: int) -> None:
        """The database's role serves all organisations."""
        self._database = database
        self._node = node
        self._chain_id = chain_id
        self._actor: Actor = system("relay")

    def step(self) -> bool:
        """True when there was one. Raises NodeUnavailable: it is asked again."""
        with self._database.read(None, self._actor) as uow:
            found = _next(uow, self._chain_id)
        if found is None or found.mined_hash is None:
            return False
        reason = self._ask(found, "0x" + found.mined_hash.hex())
        with self._database.unit(None, self._actor) as uow:
            _keep(uow, found, reason)
        log.warning("relay.reverted", outgoing=str(found.id), reason=reason)
        return True

    def _ask(self, found: OutgoingView, tx_hash: str) -> str:
        try:
            trace = self._node.request("debug_traceTransaction", tx_hash, {"tracer": "callTracer"})
            return explain_trace(trace)
        except NodeUnavailable:
            raise
        except (ChainError, KeyError, ValueError, TypeError):
            return self._replay(tx_hash, (found.mined_height or 1) - 1)

    def _replay(self, tx_hash: str, height: int) -> str:
        """What the same call answers on the block before: usually the same."""
        try:
            sent = self._node.request("eth_getTransactionByHash", tx_hash)
            call = {name: sent[name] for name in ("from", "to", "value", "input", "gas")}
            return self._called(call, hex(height))
        except NodeUnavailable:
            raise
        except ChainError as error:
            return error.message
        except (KeyError, ValueError, TypeError):
            return STRANGE  # one answer that can't be read must not hold up all others' reasons

    def _called(self, call: dict[str, str], block: str) -> str:
        try:
            self._node.request("eth_call", call, block)
        except ExecutionReverted as error:
            return explain(bytes.fromhex(str(error.detail.get("data") or "0x")[2:]))
        return UNKNOWN


def _next(uow: UnitOfWork, chain_id: int) -> OutgoingView | None:
    row = uow.session.scalars(
        select(Outgoing)
        .where(
            Outgoing.chain_id == chain_id,
            Outgoing.state.in_(("mined", "failed")),
            Outgoing.succeeded.is_(False),
            Outgoing.revert_reason.is_(None),
        )
        .order_by(Outgoing.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else row.view()


def _keep(uow: UnitOfWork, found: OutgoingView, reason: str) -> None:
    row = uow.session.get_one(Outgoing, (found.organisation_id, found.id), with_for_update=True)
    if row.mined_hash != found.mined_hash:
        return  # a reorganisation undid its block meanwhile
    row.revert_reason = reason
    row.last_error = reverted(reason)
    row.updated_at = uow.now


def reverted(reason: str | None) -> str:
    """The sentence for whoever asked for the transaction."""
    return f"The transaction was mined and reverted: {reason or 'the reason is being asked for'}."
