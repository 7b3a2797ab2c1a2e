"""A hot key pays by itself and a cold one by a file, through the API, on a running stack."""

import json
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from first_day.cast import CUSTOMER, ETH, TUSD, Cast
from first_day.node import transfer_data
from strongroom.cli.dev.softhsm import softhsm_module
from strongroom_client import Payment, Problem
from strongroom_protocol.amounts import Asset, parse_amount
from tests.e2e.stack import Stack, eventually
from tests.e2e.test_console import WALLET
from tests.factories.house import executable
from tests.factories.offline import OfflineMachine

DOLLAR, ETHER = 10**6, 10**18
FLOAT = {TUSD: 1_000 * DOLLAR, ETH: ETHER}
MAX_FEE_WEI = str(10**16)
POOL = 100
ENDED = {"finalized", "rejected", "blocked", "failed", "expired", "cancelled"}


@dataclass(frozen=True)
class Keys:
    """The offline machine, and the addresses of both spending keys."""

    machine: OfflineMachine
    cold: str
    hot: str


@pytest.fixture(scope="module")
def keys(stack: Stack, cast: Cast) -> Iterator[Keys]:
    """The organisation's policy names two spending keys, and a customer pays to both."""
    account = int(cast.diary.get("organisation")["account_index"])
    with tempfile.TemporaryDirectory(prefix="sr-") as folder:
        machine = OfflineMachine(Path(folder), cast.node.chain_id, _founding(stack, cast))
        (cold,) = machine.found(account, 1)
        found = Keys(machine, cold, _hot_address(stack, account))
        _publish(cast, found)
        for address in (found.cold, found.hot):
            token = cast.diary.get("token")
            data = transfer_data(address, FLOAT[TUSD])
            cast.node.send(CUSTOMER, address, FLOAT[ETH])
            cast.node.send(CUSTOMER, token, 0, data)
        eventually(lambda: _credited(cast, found), 90)
        yield found


def test_a_cold_key_pays_by_a_file_that_goes_and_comes_back(cast: Cast, keys: Keys) -> None:
    ines, anna = cast.service("ines"), cast.service("anna")
    order = _approved(cast, keys.cold, "cold-17")
    _wait(cast, order["id"], {"binding"})
    supplier, token = cast.diary.get("supplier"), cast.diary.get("token")
    before = cast.node.balance(supplier, token)
    assert b"<svg" in anna.export_picture(order["id"], 1)
    answers = keys.machine.deliver(anna.export_withdrawal(order["id"]))
    with pytest.raises(Problem) as caught:
        anna.import_signed(order["id"], {"raw": "0x02"})
    assert (caught.value.status, caught.value.code) == (422, "withdrawal.signed_wrong")
    anna.import_signed(order["id"], answers)
    done = _wait(cast, order["id"], ENDED)
    assert (done["state"], done["wallet_kind"]) == ("finalized", "cold")
    assert cast.node.balance(supplier, token) == before + 25 * DOLLAR
    _check_books(cast, keys.cold)
    assert ines.withdrawal(order["id"])["tx_hash"] == done["tx_hash"]


def test_a_hot_key_pays_by_itself(cast: Cast, keys: Keys) -> None:
    supplier, token = cast.diary.get("supplier"), cast.diary.get("token")
    before = cast.node.balance(supplier, token)
    done = _wait(cast, _approved(cast, keys.hot, "hot-17")["id"], ENDED)
    assert (done["state"], done["wallet_kind"]) == ("finalized", "hot")
    assert cast.node.balance(supplier, token) == before + 25 * DOLLAR
    _check_books(cast, keys.hot)


def test_p5_an_approver_signs_a_keys_order_in_the_browser(
    browser: Browser, stack: Stack, cast: Cast, keys: Keys
) -> None:
    order, anna = _ordered(cast, keys.hot, "hot-18"), cast.key("anna")
    context = browser.new_context(base_url=stack.api_url)
    context.expose_function("ownAddress", lambda: anna.address)
    context.expose_function("ownSignature", lambda text: anna.sign(json.loads(text)))
    context.add_init_script(WALLET)
    page = context.new_page()
    page.goto("/console/sign-in")
    page.get_by_label("Token").fill(cast.token("anna"))
    page.get_by_role("button", name="Sign in").click()
    page.goto("/console/approvals")
    card = page.get_by_role("article").filter(has_text="hot-18")
    expect(card.get_by_role("heading")).to_contain_text("25 TUSD")
    expect(card).to_contain_text("a hot spending key")
    expect(card).to_contain_text(keys.hot)
    card.get_by_role("button", name="Sign with my wallet").click()
    expect(card.locator(".sign .answer")).to_contain_text("It waits for somebody else.")
    context.close()
    _approve(cast, "chen", keys.hot, order)
    done = _wait(cast, order["id"], ENDED)
    assert done["state"] == "finalized"
    assert {each["person"] for each in done["approvals"]} == {"anna", "chen"}


def test_reconciliation_compares_the_spending_keys_too(cast: Cast, keys: Keys) -> None:
    """P3: both keys are among what is compared, and nothing differs."""
    wanted = {(asset, address) for asset in (ETH, TUSD) for address in (keys.cold, keys.hot)}

    def compared() -> bool:
        items = cast.service("olivia").get("/v1/reconciliation")["items"]
        assert {item["difference"] for item in items} <= {"0"}
        return wanted <= {(item["asset"], one) for item in items for one in item["addresses"]}

    eventually(compared, 90)


def test_an_export_with_both_payments_and_their_gas_verifies_itself(
    cast: Cast, keys: Keys, tmp_path: Path
) -> None:
    carmen, bundle = cast.service("carmen"), tmp_path / "export.zip"
    asked = carmen.request_export()["id"]
    eventually(lambda: carmen.get(f"/v1/exports/{asked}")["state"] == "ready", 90)
    bundle.write_bytes(carmen.export_bundle(asked))
    key = cast.diary.get("installation")["log_public_key"].removeprefix("0x")
    words = [executable("strongroom-verify"), str(bundle), "--log-key", key]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    with zipfile.ZipFile(bundle) as archive:
        lines = archive.read("rows.jsonl").splitlines()
    rows = [json.loads(line)["row"] for line in lines]
    paid = [row["legs"][0] for row in rows if row["kind"] == "withdrawal.gas"]
    wallets = {leg["credit"].split(":")[-1] for leg in paid}
    assert wallets >= {keys.cold.lower(), keys.hot.lower()}


def _founding(stack: Stack, cast: Cast) -> list[str]:
    """What the cold machine's officers tell it: the same officers, the same screener."""
    officers = [word for one in cast.officers() for word in ("--officer", one.address)]
    screener = (stack.state / "screener.pub").read_text().strip()
    words = ["--officer-quorum", str(len(cast.officers())), "--screener-key", screener]
    return [*officers, *words, "--cooling-seconds", "0", "--loosening-seconds", "0"]


def _hot_address(stack: Stack, account: int) -> str:
    """The officers' ceremony on the running signer's token."""
    out, secrets = stack.state / "people" / "spending.json", stack.state / "secrets"
    environment = {
        "PATH": os.environ["PATH"],
        "SOFTHSM2_CONF": str(next(stack.state.rglob("softhsm2.conf"))),
        "STRONGROOM_PKCS11_MODULE": str(softhsm_module()),
        "STRONGROOM_SIGNER_DIR": str(stack.state / "signer"),
        "STRONGROOM_SIGNER_PIN_FILE": str(secrets / "signer-pin"),
        "STRONGROOM_VAULT_PIN_FILES": f"{secrets}/vault-pin-a,{secrets}/vault-pin-b",
        "STRONGROOM_CHAIN_ID": "31337",
    }
    amount = ("--index", str(account), "--count", str(POOL), "--spending", "1")
    words = [executable("strongroom-signer"), "ceremony", "account", *amount, "--out", str(out)]
    subprocess.run([*words, "--json"], env=environment, check=True, capture_output=True)
    return str(json.loads(out.read_text())["spending"][0]["address"])


def _publish(cast: Cast, keys: Keys) -> None:
    owner = cast.service("olivia")
    active = next(
        row for row in owner.get("/v1/policy/bundles")["items"] if row["state"] == "active"
    )
    spending = [
        {
            "index": 0,
            "address": address,
            "kind": kind,
            "threshold": 2,
            "limits": [
                {"asset": asset, "per_payment_units": str(units), "per_day_units": str(units)}
                for asset, units in sorted(FLOAT.items())
            ],
        }
        for kind, address in (("cold", keys.cold), ("hot", keys.hot))
    ]
    version = {"version": active["version"] + 1, "previous": active["digest"]}
    bundle = {**active["content"], **version, "spending": spending}
    signatures = [cast.key(one).sign_bundle(bundle) for one in ("olivia", "carmen")]
    published = owner.publish_policy({"bundle": bundle, "signatures": signatures})
    assert published["state"] == "active"


def _credited(cast: Cast, keys: Keys) -> bool:
    rows = cast.service("olivia").every("/v1/deposits")
    there = [row for row in rows if row["address"] in (keys.cold, keys.hot)]
    return len([row for row in there if row["state"] == "credited"]) == 4


def _approved(cast: Cast, wallet: str, reference: str) -> dict[str, Any]:
    """An order that two people approved with one signature each."""
    order = _ordered(cast, wallet, reference)
    for name in ("anna", "chen"):
        _approve(cast, name, wallet, order)
    return order


def _meant(cast: Cast) -> Payment:
    return Payment(cast.diary.get("supplier"), cast.diary.get("token"), 25 * DOLLAR)


def _approve(cast: Cast, name: str, wallet: str, order: dict[str, Any]) -> None:
    chain = cast.node.chain_id
    signed = cast.key(name).approve_order(order["intent"], wallet, chain, _meant(cast))
    cast.service(name).approve_withdrawal(order["id"], signed)


def _ordered(cast: Cast, wallet: str, reference: str) -> dict[str, Any]:
    """An order of 25 dollars that waits for its approvers."""
    ines, chain, meant = cast.service("ines"), cast.node.chain_id, _meant(cast)
    draft = ines.draft_withdrawal(
        "treasury", TUSD, meant.to, "25", reference, wallet=wallet, max_fee_wei=MAX_FEE_WEI
    )
    signature = cast.key("ines").sign_withdrawal(draft["intent"], chain, meant)
    order = ines.request_withdrawal("treasury", draft["intent"], signature)
    shown = _wait(cast, order["id"], {"awaiting_approval"})
    assert (shown["safe_tx"], shown["order"]["primaryType"]) == (None, "Withdrawal")
    return shown


def _wait(cast: Cast, identifier: str, states: set[str]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = cast.service("ines").withdrawal(identifier)
        return found if found["state"] in states else None

    return eventually(look, 90)


def _check_books(cast: Cast, wallet: str) -> None:
    """P3: what the books say of the wallet is what the chain says, gas included."""
    code = f"custody:{cast.node.chain_id}:{wallet.lower()}"
    rows = {row["asset"]: row for row in cast.service("olivia").every("/v1/balances")
            if row["account"] == code}  # fmt: skip
    node, token = cast.node, cast.diary.get("token")
    on_chain = {TUSD: node.balance(wallet, token), ETH: node.balance(wallet)}
    books = {asset: parse_amount(rows[asset]["posted"], Asset(asset)).units for asset in on_chain}
    assert books == on_chain
