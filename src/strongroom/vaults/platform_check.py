"""Keeps the platform's row true to the signer: same keys, present epoch."""

from typing import Any, Final

from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit.log import logger
from strongroom.signing.client import SignerClient
from strongroom.vaults import service
from strongroom.vaults.errors import PlatformDiffers, PlatformMissing
from strongroom.vaults.types import Platform
from strongroom_protocol.addresses import parse_address

PAUSE_SECONDS: Final = 10.0

log = logger(__name__)


def platform_of(status: dict[str, Any], chain_id: int) -> Platform:
    """What the signer's status says of a chain. Raises PlatformDiffers for another chain."""
    if status["chain_id"] != chain_id:
        raise PlatformDiffers(
            f"The signer is set to chain {status['chain_id']}, this process to {chain_id}. Correct "
            "STRONGROOM_CHAIN_ID of one of them."
        )
    keys = status["keys"]
    return Platform(
        chain_id=chain_id,
        relay=parse_address(keys["relay"]),
        permit_signer=parse_address(keys["permit"]),
        store_epoch=int(status["epoch"]),
    )


class PlatformCheck:
    """One step asks the signer's status and compares it with what was deployed."""

    def __init__(self, database: Database, signer: SignerClient, chain_id: int) -> None:
        """`database` connects as strongroom_relay."""
        self._database = database
        self._signer = signer
        self._chain_id = chain_id

    def step(self) -> bool:
        """Always False: now and then is enough. Raises PlatformDiffers, SignerUnavailable."""
        found = platform_of(self._signer.status(), self._chain_id)
        with self._database.unit(None, system("relay")) as uow:
            try:
                service.platform(uow, self._chain_id)
            except PlatformMissing:
                log.warning("platform.missing", chain_id=self._chain_id)
                return False
            service.record_platform(uow, found)
        return False
