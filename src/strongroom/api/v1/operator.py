"""The custodian's own operators: registering organisations and what the key ceremony left."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import AddressText, Hash32, Shown, SignatureHex, Strict
from strongroom.api.v1.people import PersonIn
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.identity.types import NewCredential, Role
from strongroom.vaults import service as vaults
from strongroom.wallets import service as wallets
from strongroom_protocol.addresses import checksum
from strongroom_protocol.authority import organisation_ref, organisation_uuid, parse_genesis

router = APIRouter(
    prefix="/operator", tags=["operator"], dependencies=[Depends(needs(Role.OPERATOR))]
)
OWNER_CREDENTIAL_DAYS = 90
ChainId = Annotated[int | None, Query(ge=1, description="One of those that are served.")]


class Contracts(Shown):
    """The platform's contracts, each at its deterministic (CREATE2) address."""

    safe_singleton: str
    proxy_factory: str
    multi_send: str
    exit: str
    guard: str
    vault_setup: str
    batcher: str


class Installation(Shown):
    """What anyone needs to check this installation from outside."""

    chain_id: int
    next_account_index: int
    custody_officers: list[str]
    custody_quorum: int
    relay: str
    permit_signer: str
    attest: str
    log_origin: str
    log_public_key: str
    store_epoch: int
    contracts: Contracts


class OrganisationIn(Strict):
    """An organisation to register, with its owner and the SHA-256 of the owner's token."""

    genesis: dict[str, Any]
    owner: PersonIn
    owner_token_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class OrganisationOut(Shown):
    """An organisation; `ref` is what its people's signatures name."""

    id: UUID
    ref: str
    name: str
    chain_id: int
    account_index: int | None
    owner_id: UUID


class CeremonyAccountIn(Strict):
    """What `strongroom-signer ceremony account` wrote, with the officers' signatures."""

    account_index: Annotated[int, Field(ge=0, lt=2**31)]
    xpub: Annotated[str, Field(max_length=120)]
    xpub_hash: Hash32
    count: Annotated[int, Field(ge=1, le=10_000_000)]
    root: Hash32
    addresses: list[AddressText] | None = None
    officer_signatures: Annotated[list[SignatureHex], Field(min_length=1, max_length=16)]


class CeremonyAccountOut(Shown):
    """A registered account: how many deposit addresses it can give."""

    account_index: int
    count: int
    root: str


@router.get("/installation")
def installation(query: Reading, chain_id: ChainId = None) -> Installation:
    """A chain's contracts and its signer's public keys; of the first chain if none is named."""
    first = next(iter(query.services.signers))
    found = first if chain_id is None else chain_id
    signer = query.services.signer(found).status()
    log = (signer if found == first else query.services.signer(first).status())["log"]

    def look(uow: UnitOfWork) -> Installation:
        platform = vaults.platform(uow, found)
        deployment = platform.deployment
        contracts = Contracts(
            safe_singleton=checksum(deployment.safe_singleton),
            proxy_factory=checksum(deployment.proxy_factory),
            multi_send=checksum(deployment.multi_send),
            exit=checksum(deployment.exit),
            guard=checksum(deployment.guard),
            vault_setup=checksum(deployment.vault_setup),
            batcher=checksum(deployment.batcher),
        )
        return Installation(
            chain_id=found,
            next_account_index=identity.next_account_index(uow),
            custody_officers=[checksum(each) for each in query.services.officers.addresses],
            custody_quorum=query.services.officers.quorum,
            relay=checksum(platform.relay),
            permit_signer=checksum(platform.permit_signer),
            attest=str(signer["keys"]["attest"]),
            log_origin=str(log["origin"]),
            log_public_key=str(log["public_key"]),
            store_epoch=int(signer["epoch"]),
            contracts=contracts,
        )

    return query.run(look)


@router.post("/organisations", response_model=OrganisationOut, status_code=201)
def register_organisation(body: OrganisationIn, command: Posting) -> Response:
    """Register an organisation by its genesis. Its id follows from the genesis's hash."""
    genesis = parse_genesis(body.genesis)
    organisation_id = organisation_uuid(organisation_ref(genesis))

    def work(uow: UnitOfWork) -> OrganisationOut:
        row = identity.register_organisation(uow, genesis)
        owner = identity.add_person(uow, body.owner.as_new())
        identity.add_credential(
            uow,
            NewCredential(
                label="owner's first credential",
                token_hash=bytes.fromhex(body.owner_token_sha256),
                roles=tuple(body.owner.roles),
                person_id=owner.id,
                expires_at=uow.now + timedelta(days=OWNER_CREDENTIAL_DAYS),
            ),
        )
        return OrganisationOut(
            id=row.id,
            ref="0x" + row.ref.hex(),
            name=row.name,
            chain_id=row.chain_id,
            account_index=row.account_index,
            owner_id=owner.id,
        )

    return command.within(organisation_id).run(work)


@router.post(
    "/organisations/{organisation_id}/account", response_model=CeremonyAccountOut, status_code=201
)
def register_account(organisation_id: UUID, body: CeremonyAccountIn, command: Posting) -> Response:
    """Register an account's xpub and address manifest, signed by the custody officers; or, after
    `ceremony refill`, the same account with more addresses.
    """
    within = command.within(organisation_id)
    output = body.model_dump(exclude={"officer_signatures"})
    signed = [bytes.fromhex(text[2:]) for text in body.officer_signatures]
    officers = command.services.officers

    def tell_signer() -> bool:
        """Say a refill to the signer first: what it does not know, the service must not give."""
        ref, refill = within.unit(
            lambda uow: (identity.organisation(uow).ref, wallets.has_account(uow))
        )
        if refill:
            names = ("account_index", "root", "count", "xpub", "officer_signatures")
            manifest = {name: getattr(body, name) for name in names}
            asked = {"organisation": "0x" + ref.hex(), "manifest": manifest}
            within.signer.manifest_extend(asked)
        return refill

    def record(uow: UnitOfWork, refill: bool) -> CeremonyAccountOut:
        if refill:
            view = wallets.extend_account(
                uow, ceremony_output=output, officer_signatures=signed, officers=officers
            )
        else:
            view = wallets.register_account(
                uow,
                ceremony_output=output,
                officer_signatures=signed,
                officers=officers,
                chain_id=identity.organisation(uow).chain_id,
            )
        return CeremonyAccountOut(
            account_index=view.account_index, count=view.count, root="0x" + view.root.hex()
        )

    return within.act(tell_signer, record)
