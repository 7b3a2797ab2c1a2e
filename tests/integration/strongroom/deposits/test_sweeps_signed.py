"""Sweeps with the signer's real keys: by the gas station, and by EIP-7702."""

import json
from typing import Any

from strongroom.db.actor import system
from strongroom.deposits import service as deposits
from strongroom.wallets import service as wallets
from strongroom.wallets.types import Officers, Provenance
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.intents import CustodyManifest, domain
from strongroom_protocol.typed_data import as_json
from tests.factories.house import ETH, sign
from tests.factories.stage import Stage
from tests.factories.staged import stage

__all__ = ["stage"]

FLOAT, DEPOSIT = 10**18, 3 * 10**18


def hot_key(stage: Stage) -> bytes:
    """A hot key of the organisation in its signed policy, with a mandate to feed, and money."""
    out = stage.house.folder / "account-0-spending.json"
    words = ("--index", "0", "--count", "4", "--spending", "1", "--out", str(out))
    stage.house.ceremony("account", *words)
    address = str(json.loads(out.read_text())["spending"][0]["address"])
    limit = {"asset": ETH, "per_payment_units": str(FLOAT), "per_day_units": str(FLOAT)}
    key = {"index": 0, "address": address, "kind": "hot", "threshold": 2, "limits": [limit]}
    gas = {"source": checksum(parse_address(address)), "per_day_wei": str(10**18)}
    stage.update_policy(
        spending=[key],
        mandates={"sweep": True, "gas": gas},
        fees={"max_fee_per_gas_wei": str(10**11), "max_total_fee_wei": str(10**17)},
    )
    stage.house.send({"from": stage.house.money, "to": address, "value": hex(FLOAT)})
    return bytes(parse_address(address))


def register(stage: Stage) -> None:
    """The ceremony's account, from which addresses are given out."""
    account, officer = stage.account, stage.house.cast.officer
    manifest = CustodyManifest(
        0, from_hex(account["root"]), account["count"], from_hex(account["xpub_hash"])
    )
    signature = sign(officer, as_json(manifest.typed(domain(stage.chain.chain_id))))
    with stage.unit() as uow:
        wallets.register_account(
            uow,
            ceremony_output=account,
            officer_signatures=[from_hex(signature)],
            officers=Officers(frozenset({bytes(parse_address(officer.address))}), 1),
            chain_id=stage.chain.chain_id,
        )


def give_out(stage: Stage, index: int) -> bytes:
    """A deposit address with a credited deposit, given out as the API does."""
    signer = stage.house.signer
    answer = signer.provenance({"organisation": "0x" + stage.ref.hex(), "index": index})
    provenance = Provenance(
        index=index,
        path=answer["path"],
        address=parse_address(answer["address"]),
        signature=from_hex(answer["signature"]),
        proof=tuple(from_hex(node) for node in answer["proof"]),
        root=from_hex(answer["root"]),
    )
    attest = parse_address(signer.status()["keys"]["attest"])
    with stage.unit() as uow:
        view = wallets.new_address(uow, provenance=provenance, attest_key=attest, label="")
    to = "0x" + view.address.hex()
    stage.house.send({"from": stage.house.money, "to": to, "value": hex(DEPOSIT)})
    stage.drive(until=lambda: credited(stage, view.address), seconds=150)
    return bytes(view.address)


def credited(stage: Stage, address: bytes) -> bool:
    rows = stage.house.query(
        "SELECT count(*) FROM deposit WHERE address = %s AND disposition = 'credited'"
        " AND chain_state = 'finalized'",
        address,
    )
    return rows == [(1,)]


def swept(stage: Stage, *, set_code: bool) -> bool:
    """The worker's job, on a chain that is said to have EIP-7702 or not; whether all is over."""
    with stage.house.role("worker").unit(stage.id, system("worker")) as uow:
        deposits.plan_sweep(uow, set_code=lambda _: set_code)
    states = stage.house.query("SELECT state FROM sweep ORDER BY id DESC LIMIT 1")
    return states == [("finished",)]


def assert_booked(stage: Stage, *addresses: bytes) -> None:
    """Books and chain say the same, to the wei."""
    for address in addresses:
        code = f"custody:{stage.chain.chain_id}:0x{address.hex()}"
        assert stage.available(ETH, code) == stage.house.node.balance(address)


def test_a_deposit_goes_into_the_vault_by_its_own_key_and_every_wei_is_booked(stage: Stage):
    register(stage)
    hot, leaf = hot_key(stage), give_out(stage, 0)
    stage.drive(until=lambda: credited(stage, hot), seconds=150)
    vault = stage.current_vault().address
    before = stage.house.node.balance(vault)
    stage.drive(until=lambda: swept(stage, set_code=False), seconds=150)
    assert stage.house.node.balance(vault) == before + DEPOSIT
    assert_booked(stage, hot, leaf, vault)
    sent = stage.house.query(
        "SELECT purpose, state, sender FROM outgoing WHERE purpose IN ('gas_topup', 'leaf_sweep')"
        " ORDER BY id"
    )
    assert sent == [("gas_topup", "finalized", hot), ("leaf_sweep", "finalized", leaf)]


def test_an_address_that_never_sent_is_swept_by_its_authorisation(stage: Stage):
    leaf = give_out(stage, 1)
    vault = stage.current_vault().address
    before = stage.house.node.balance(vault)
    stage.drive(until=lambda: swept(stage, set_code=True), seconds=150)
    assert stage.house.node.balance(vault) == before + DEPOSIT
    assert stage.house.node.balance(leaf) == 0
    assert_booked(stage, leaf, vault)
    (row,) = stage.house.query("SELECT gas, succeeded FROM outgoing WHERE purpose = 'sweep'")
    assert row == (180_000, True)


def test_a_sweep_that_would_move_nothing_is_told_and_waits_before_it_is_signed(stage: Stage):
    """P2: asked with the code that the address will have; nothing is lost by looking first."""
    leaf, vault = give_out(stage, 2), stage.current_vault().address
    place, code = "0x" + vault.hex(), "0x" + stage.house.node.code(vault).hex()
    stage.chain.rpc("anvil_setCode", place, "0x5f5ffd")
    try:
        swept(stage, set_code=True)
        for _ in range(3):
            stage.relay_loop.step()
        ((nonce, why),) = waiting(stage)
    finally:
        stage.chain.rpc("anvil_setCode", place, code)
    assert nonce is None
    assert f"from 0x{leaf.hex()} to {place}: it would not happen" in why
    told = stage.house.query("SELECT payload->>'kind' FROM outbox WHERE topic = 'relay.alert'")
    assert ("relay.sweep_would_fail",) in told
    stage.house.clock.ahead_seconds = 20
    stage.drive(until=lambda: swept(stage, set_code=True), seconds=150)
    stage.house.clock.ahead_seconds = 0
    assert_booked(stage, leaf, vault)
    predicted = stage.house.query("SELECT predicted FROM outgoing WHERE purpose = 'sweep'")
    assert predicted[-1][0], "what was foretold is kept, and the block compared with it"
    assert ("relay.mined_differs",) not in stage.house.query(
        "SELECT payload->>'kind' FROM outbox WHERE topic = 'relay.alert'"
    )


def waiting(stage: Stage) -> list[tuple[Any, ...]]:
    return stage.house.query(
        "SELECT nonce, last_error FROM outgoing WHERE purpose = 'sweep' AND state = 'queued'"
    )
