"""The API process's parts, joined: what its routes are given, and what its health looks at."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from strongroom.bootstrap.parts import part_name
from strongroom.bootstrap.webhooks import WebhookParts, parts
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.identity import service as identity
from strongroom.identity.errors import CredentialUnknown
from strongroom.identity.types import NewCredential, Role
from strongroom.kit.clock import SystemClock
from strongroom.kit.errors import Invalid
from strongroom.kit.ids import HOUSE, new_id
from strongroom.ledger.writer import PostingWriter
from strongroom.signing.client import SignerClient
from strongroom.wallets.types import Officers
from strongroom_protocol.addresses import parse_address

POOL_SIZE = 15
"""Connections, and threads that answer requests: as many of one as of the other."""
OPERATOR_DAYS = 365


class ChainNotServed(Invalid):
    """This installation has no signer and no node for that chain."""

    code = "chain.not_served"


@dataclass(frozen=True)
class Services:
    """What the API's and the console's routes are given: they build nothing for themselves."""

    database: Database
    new_id: Callable[[], UUID]
    signers: Mapping[int, SignerClient]
    """By chain: a signer is sealed for one."""
    postings: PostingWriter
    officers: Officers
    export_dir: Path
    webhooks: WebhookParts
    patience_seconds: float = 30.0
    """How long a route waits for a group commit before it answers 503."""

    @property
    def checks(self) -> Mapping[str, Callable[[], None]]:
        """The parts that readiness looks at."""
        found = {"database": self.database.ping}
        for chain_id, client in self.signers.items():
            name = part_name("signer", chain_id, self.signers)
            found[name] = client.check
        return found

    def signer(self, chain_id: int) -> SignerClient:
        """The signer of a chain. Raises ChainNotServed."""
        if chain_id not in self.signers:
            served = ", ".join(map(str, self.signers))
            raise ChainNotServed(f"Chain {chain_id} is not served here; served: {served}.")
        return self.signers[chain_id]


def build(config: Config) -> Services:
    """Join the API's parts; the group commit's writer is not started yet."""
    clock = SystemClock()
    database = Database(
        config.require_database_url(),
        clock=clock,
        pool_size=POOL_SIZE,
        application_name="strongroom-api",
    )
    addresses = frozenset(parse_address(text) for text in config.custody_officers)
    return Services(
        database=database,
        new_id=lambda: new_id(clock),
        signers={one.chain_id: SignerClient(one.signer_socket) for one in config.chains},
        postings=PostingWriter(database),
        officers=Officers(addresses, config.custody_quorum),
        export_dir=config.export_dir,
        webhooks=parts(config),
    )


def ensure_operator(database: Database, token: str) -> None:
    """Give the custodian's own credential its place, unless it is there."""
    token_hash = hashlib.sha256(token.encode()).digest()
    with database.unit(HOUSE, system("bootstrap")) as uow:
        try:
            identity.authenticate(uow, token_hash, uow.now)
        except CredentialUnknown:
            expires_at = uow.now + timedelta(days=OPERATOR_DAYS)
            label = "operator of this installation"
            roles = (str(Role.OPERATOR),)
            identity.add_credential(uow, NewCredential(label, token_hash, roles, None, expires_at))
