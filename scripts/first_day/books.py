"""Steps 8 and 9: fiat by four eyes, a book transfer, and the ledger against the chain."""

from first_day.cast import OWNER, Cast
from first_day.deposits import shown
from strongroom_client import Problem

EUR = "EUR/2"


def fiat(cast: Cast) -> None:
    """Credit euros that the bank received: Ines proposes, Olivia approves; then move some."""
    diary, ines, olivia = cast.diary, cast.service("ines"), cast.service(OWNER.handle)
    for name in ("treasury", "operations"):
        olivia.post("/v1/accounts", {"name": name, "asset": EUR}, diary.key(f"account-{name}"))
    entry = ines.propose_fiat_entry(
        {
            "reference": "BANK-2026-0001",
            "bank": "house-bank",
            "account": "treasury",
            "asset": EUR,
            "amount": "25000.00",
            "note": "payment of invoice 2026-441",
        },
        diary.key("fiat"),
    )
    try:
        ines.approve_fiat_entry(entry["id"], diary.key("fiat-own"))
    except Problem as problem:
        diary.check(
            problem.code in {"fiat.four_eyes", "fiat.already_decided"},
            f"Ines cannot approve her own entry: {problem.code}",
            problem,
        )
    else:
        diary.check(False, "Ines cannot approve her own entry", "it was accepted")
    olivia.approve_fiat_entry(entry["id"], diary.key("fiat-approve"))
    olivia.transfer(
        {
            "from_account": "treasury",
            "to_account": "operations",
            "asset": EUR,
            "amount": "4000.50",
            "reference": "wages-november",
        },
        diary.key("transfer"),
    )
    balances = {(row["account"], row["asset"]): row for row in ines.every("/v1/balances")}
    treasury = balances["client:treasury", EUR]["available"]
    operations = balances["client:operations", EUR]["available"]
    diary.check(
        (treasury, operations) == ("20999.5", "4000.5"),
        "25,000.00 EUR credited by two people; 4,000.50 of it moved to operations",
        (treasury, operations),
    )


def reconcile(cast: Cast) -> None:
    """Compare the ledger's custody with the chain's balances at the finalized block."""
    diary, node, owner = cast.diary, cast.node, cast.service(OWNER.handle)
    last_paid = int(node.receipt(diary.get("paid-out"))["blockNumber"], 16)

    def fresh() -> dict[str, object] | None:
        found = owner.get("/v1/reconciliation")
        return found if found["items"] and found["height"] >= last_paid else None

    found = owner.wait("a reconciliation after the last payment", fresh, timeout_seconds=60)
    token = diary.get("token")
    rows = []
    for row in found["items"]:
        contract = token if row["asset"].startswith("TUSD") else None
        chain = sum(
            node.balance(address, contract, found["height"]) for address in row["addresses"]
        )
        ledger = int(row["ledger_units"])
        asset = row["asset"]
        rows.append(
            (asset, shown(asset, ledger), shown(asset, chain), shown(asset, abs(ledger - chain)))
        )
        diary.check(
            chain == ledger == int(row["chain_units"]),
            f"{asset}: ledger = chain, read here at {len(row['addresses'])} addresses",
            (ledger, chain),
        )
    relay = diary.get("installation")["relay"]
    house = cast.operator.get("/v1/reconciliation")
    gas = next(row for row in house["items"] if relay in row["addresses"])
    held = node.balance(relay, None, house["height"])
    diary.check(
        int(gas["ledger_units"]) == int(gas["chain_units"]) == held,
        "the house's gas wallet too, to the wei",
        (gas, held),
    )
    diary.say(f"at finalized block {found['height']}")
    diary.table(("asset", "ledger", "chain", "difference"), *rows)
