"""The gas station with the signer's real keys: fed by the hot key, paid by the deposit key."""

import json

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


def give_out(stage: Stage) -> bytes:
    """The first deposit address, as the API gives it out."""
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
    signer = stage.house.signer
    answer = signer.provenance({"organisation": "0x" + stage.ref.hex(), "index": 0})
    provenance = Provenance(
        index=0,
        path=answer["path"],
        address=parse_address(answer["address"]),
        signature=from_hex(answer["signature"]),
        proof=tuple(from_hex(node) for node in answer["proof"]),
        root=from_hex(answer["root"]),
    )
    attest = parse_address(signer.status()["keys"]["attest"])
    with stage.unit() as uow:
        view = wallets.new_address(uow, provenance=provenance, attest_key=attest, label="")
    return bytes(view.address)


def credited(stage: Stage, address: bytes) -> bool:
    rows = stage.house.query(
        "SELECT count(*) FROM deposit WHERE address = %s AND disposition = 'credited'"
        " AND chain_state = 'finalized'",
        address,
    )
    return rows == [(1,)]


def plan(stage: Stage) -> None:
    """The worker's job, on a chain that is said to have no EIP-7702."""
    with stage.house.role("worker").unit(stage.id, system("worker")) as uow:
        deposits.plan_sweep(uow, set_code=lambda _: False)


def swept(stage: Stage) -> bool:
    plan(stage)
    return stage.house.query("SELECT state FROM sweep") == [("finished",)]


def test_a_deposit_goes_into_the_vault_by_its_own_key_and_every_wei_is_booked(stage: Stage):
    hot, leaf = hot_key(stage), give_out(stage)
    to = "0x" + leaf.hex()
    stage.house.send({"from": stage.house.money, "to": to, "value": hex(DEPOSIT)})
    stage.drive(until=lambda: credited(stage, leaf) and credited(stage, hot), seconds=150)
    vault = stage.current_vault().address
    before = stage.house.node.balance(vault)
    stage.drive(until=lambda: swept(stage), seconds=150)
    assert stage.house.node.balance(vault) == before + DEPOSIT
    for address in (hot, leaf, vault):
        code = f"custody:{stage.chain.chain_id}:0x{address.hex()}"
        assert stage.available(ETH, code) == stage.house.node.balance(address)
    sent = stage.house.query(
        "SELECT purpose, state, sender FROM outgoing WHERE purpose IN ('gas_topup', 'leaf_sweep')"
        " ORDER BY id"
    )
    assert sent == [("gas_topup", "finalized", hot), ("leaf_sweep", "finalized", leaf)]
