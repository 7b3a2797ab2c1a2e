"""Deposit addresses and the vault."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import AccountName, Name, Page, Reference, Shown, Strict
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.identity.types import Role
from strongroom.vaults import service as vaults
from strongroom.vaults.types import VaultView
from strongroom.wallets import service as wallets
from strongroom.wallets.types import AddressView, Provenance
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.encoding import from_hex, to_hex

router = APIRouter(tags=["wallets"])
TREASURY = [Depends(needs(Role.OWNER, Role.ADMINISTRATOR, Role.INITIATOR, Role.ACCOUNTANT))]


class AddressIn(Strict):
    """A deposit address to give out; deposits go to the client account named."""

    label: Name
    account: AccountName = "treasury"
    customer_reference: Reference | None = None
    """The customer it is for, who keeps it for ever: one address a reference."""
    reuse: Literal["credit", "hold"] = "credit"
    """What a second payment is: credited like the first, or held until it is accepted."""


class AddressOut(Shown):
    """A deposit address and the signer's proof that it is the organisation's own."""

    id: UUID
    index: int
    path: str
    address: str
    label: str
    account: str
    customer_reference: str | None
    reuse: str
    provenance_signature: str
    manifest_proof: list[str]
    manifest_root: str
    manifest_count: int
    created_at: datetime

    @classmethod
    def of(cls, view: AddressView) -> "AddressOut":
        """Show a view."""
        return cls(
            id=view.id,
            index=view.index,
            path=view.path,
            address=checksum(view.address),
            label=view.label,
            account=view.client_account.removeprefix("client:"),
            customer_reference=view.customer_reference,
            reuse=view.reuse,
            provenance_signature=to_hex(view.provenance_signature),
            manifest_proof=[to_hex(node) for node in view.manifest_proof],
            manifest_root=to_hex(view.manifest_root),
            manifest_count=view.manifest_count,
            created_at=view.created_at,
        )


class VaultOut(Shown):
    """The organisation's vault: a Safe whose owners are its people."""

    id: UUID
    chain_id: int
    address: str
    sweeper: str
    owners: list[str]
    threshold: int
    state: str
    reason: str | None
    active_at: datetime | None

    @classmethod
    def of(cls, view: VaultView) -> "VaultOut":
        """Show a view."""
        return cls(
            id=view.id,
            chain_id=view.chain_id,
            address=checksum(view.address),
            sweeper=checksum(view.sweeper),
            owners=list(view.owners),
            threshold=view.threshold,
            state=view.state,
            reason=view.reason,
            active_at=view.active_at,
        )


@router.post("/addresses", response_model=AddressOut, status_code=201, dependencies=TREASURY)
def new_address(body: AddressIn, command: Posting) -> Response:
    """Give out the next deposit address, which the signer has vouched for."""
    signer = command.signer

    def outside() -> tuple[dict[str, Any], bytes]:
        index, ref = command.unit(
            lambda uow: (wallets.next_index(uow), identity.organisation(uow).ref)
        )
        answer = signer.provenance({"organisation": "0x" + ref.hex(), "index": index})
        attest = parse_address(signer.status()["keys"]["attest"])
        return {**answer, "index": index}, attest

    def record(uow: UnitOfWork, found: tuple[dict[str, Any], bytes]) -> AddressOut:
        answer, attest = found
        provenance = Provenance(
            index=answer["index"],
            path=answer["path"],
            address=parse_address(answer["address"]),
            signature=from_hex(answer["signature"]),
            proof=tuple(from_hex(node) for node in answer["proof"]),
            root=from_hex(answer["root"]),
        )
        view = wallets.new_address(
            uow,
            provenance=provenance,
            attest_key=attest,
            label=body.label,
            client_account=f"client:{body.account}",
            customer_reference=body.customer_reference,
            reuse=body.reuse,
        )
        return AddressOut.of(view)

    return command.act(outside, record)


@router.get("/addresses")
def list_addresses(query: Reading, customer_reference: Reference | None = None) -> Page[AddressOut]:
    """Every address given out, by index; or a customer's."""

    def look(uow: UnitOfWork) -> Page[AddressOut]:
        found = wallets.addresses(uow, customer_reference=customer_reference)
        return Page(items=[AddressOut.of(view) for view in found], next=None)

    return query.run(look)


@router.post("/vault", response_model=VaultOut, status_code=202, dependencies=TREASURY)
def create_vault(command: Posting) -> Response:
    """Ask for the vault that the active policy describes; it is active once final on chain."""
    return command.run(lambda uow: VaultOut.of(vaults.request(uow)), status=202)


@router.get("/vault")
def get_vault(query: Reading) -> VaultOut:
    """The organisation's vault."""
    return query.run(lambda uow: VaultOut.of(vaults.get(uow)))
