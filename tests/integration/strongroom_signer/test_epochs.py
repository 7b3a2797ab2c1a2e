"""P1, P4: after a lost journal the officers name every key's nonce, and limits wait for a day."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.canonical import content_hash
from strongroom_protocol.quorum import BundleRefused
from strongroom_protocol.signatures import Signature
from strongroom_signer.authority.epochs import next_epoch, open_next_epoch
from strongroom_signer.errors import Unfit
from strongroom_signer.settings import Settings
from strongroom_signer.token.pins import Pin
from tests.integration.strongroom_signer.conftest import Desk, opened_desk
from tests.integration.strongroom_signer.people import CHAIN_ID, DAY, OFFICERS
from tests.integration.strongroom_signer.spending import hot_intent, spend
from tests.integration.strongroom_signer.test_fiat import BANK, ask_fiat, order
from tests.integration.strongroom_signer.test_gas import fed, topup
from tests.integration.strongroom_signer.test_relay import ask_for, sweep


@pytest.fixture
def fresh(settings: Settings, desk: Desk) -> Iterator[Desk]:
    """A signer of its own: an epoch concerns everybody. (`desk` comes first.)"""
    folder = desk.settings.directory.parent
    own = replace(
        settings,
        directory=folder / "epochs",
        signer_pin=Pin(files=(folder / "epochs.pin",)),
        signer_token="epochs-signer",
        vault_token="epochs-vault",
    )
    with opened_desk(own, 2) as opened:
        yield opened


def _nonces(desk: Desk, relay: int, spending: int) -> dict[Address, int]:
    keys = desk.house.pool.spending_addresses()
    return {desk.house.config.keys.relay: relay, **dict.fromkeys(keys, spending)}


def _open(desk: Desk, nonces: dict[Address, int], officers: int = 2) -> int:
    digest = next_epoch(desk.house, nonces).digest(CHAIN_ID)
    signed = [Signature.parse(bytes.fromhex(key.sign(digest)[2:])) for key in OFFICERS[:officers]]
    return open_next_epoch(desk.house, nonces, signed)


def test_an_epoch_names_every_keys_nonce_and_limits_wait_for_a_day(fresh: Desk) -> None:
    company = fed(fresh, fiat=[BANK])
    old = spend(company, hot_intent(company, token=bytes(20), units=1))
    nonces = _nonces(fresh, 7, 3)
    assert next_epoch(fresh.house, nonces).nonces == content_hash(
        {checksum(key): nonce for key, nonce in nonces.items()}
    )
    relay = fresh.house.config.keys.relay
    for wrong in ({relay: 7}, {**nonces, Address(b"\x01" * 20): 0}):
        with pytest.raises(Unfit, match="must be named"):
            next_epoch(fresh.house, wrong)
    with pytest.raises(BundleRefused):
        _open(fresh, nonces, officers=1)
    assert _open(fresh, nonces) == 2

    assert fresh.refused("spending_payment", old) == "signer.epoch_stale"
    company.epoch = 2
    vault = company.payment(company.intent(fresh.vault(company)), 0)
    waiting = {
        "spending_payment": spend(company, hot_intent(company, token=bytes(20), units=1)),
        "vault_permit": vault,
        "gas_topup": topup(company),
        "fiat_order": ask_fiat(company, order(company, store_epoch=2)),
        "relay": ask_for(company, "sweep", **sweep(company)),
    }
    for op, body in waiting.items():
        answer = fresh.ask(op, body)
        assert (answer["code"], answer["retryable"]) == ("signer.limits_unknown", True), op
    assert fresh.get("relay", ask_for(company, "vault_creation", "b"))["nonce"] == 7

    fresh.clock.advance(DAY - 1)
    assert fresh.refused("gas_topup", topup(company)) == "signer.limits_unknown"
    fresh.clock.advance(1)
    assert fresh.get("gas_topup", topup(company))["nonce"] == 3
    assert fresh.get("relay", ask_for(company, "sweep", **sweep(company)))["nonce"] == 8
    later = spend(company, hot_intent(company, token=bytes(20), units=1))
    assert fresh.get("spending_payment", later)["nonce"] == 4
