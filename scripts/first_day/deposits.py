"""Steps 4 to 6: payers pay, the service sees and screens, cleared money is swept."""

from typing import Any

from eth_account import Account

from first_day.cast import CUSTOMER, ETH, LISTED_PAYER, OWNER, SHIPPER, TUSD, Cast
from first_day.node import transfer_data

ETHER = 10**18
DOLLAR = 10**6
# What each payer sends: name, key, to which address, asset, units.
PAYMENTS = (
    ("customer", CUSTOMER, "customers", ETH, 2 * ETHER),
    ("customer-usd", CUSTOMER, "customers", TUSD, 8_000 * DOLLAR),
    ("shipper", SHIPPER, "shippers", TUSD, 1_250_500_000),
    ("listed", LISTED_PAYER, "walk-in", ETH, ETHER),
)
CLEAN = [row for row in PAYMENTS if row[0] != "listed"]


def pay_in(cast: Cast) -> None:
    """Import a sanctions list, then let payers outside the service pay."""
    diary, node = cast.diary, cast.node
    listed = [Account.from_key(LISTED_PAYER).address, diary.get("old-partner")]
    found = diary.once(
        "list",
        lambda: cast.operator.import_list("first-day", "the day's own list", "\n".join(listed)),
    )
    diary.say(f"sanctions list version {found['version']}: {found['total']} addresses")
    for name, key, label, asset, units in PAYMENTS:
        address = diary.get(f"address/{label}")["address"]
        # Written down before it is sent: a day that is cut short here does not pay twice.
        raw = diary.once(
            f"signed/{name}",
            lambda a=address, k=key, s=asset, u=units: _signed(  # type: ignore[misc]
                cast, k, a, s, u
            ),
        )
        sent = diary.once(f"paid/{name}", lambda raw=raw: node.broadcast(raw))  # type: ignore[misc]
        diary.say(f"{name:<13} {shown(asset, units):>14}  → {label:<10} {sent[:18]}…")
        receipt = node.receipt(sent)
        diary.check(receipt["status"] == "0x1", f"mined in block {int(receipt['blockNumber'], 16)}")


def screened(cast: Cast) -> None:
    """Wait until each deposit is credited or quarantined, and an alert is open."""
    diary, owner = cast.diary, cast.service(OWNER.handle)

    def settled() -> list[dict[str, Any]] | None:
        rows = list(owner.every("/v1/deposits"))
        done = [row for row in rows if row["state"] in {"credited", "quarantined", "swept"}]
        return rows if len(done) == len(PAYMENTS) else None

    rows = owner.wait("every deposit is screened", settled, timeout_seconds=90)
    by_hash = {row["tx_hash"]: row for row in rows}
    diary.table(
        ("deposit", "amount", "block", "screened"),
        *(
            (
                name,
                shown(asset, units),
                str(by_hash[diary.get(f"paid/{name}")]["height"]),
                by_hash[diary.get(f"paid/{name}")]["state"],
            )
            for name, _, _, asset, units in PAYMENTS
        ),
    )
    for name, *_ in PAYMENTS:
        row, sent = by_hash[diary.get(f"paid/{name}")], diary.get(f"paid/{name}")
        receipt = cast.node.receipt(sent)
        same = int(receipt["blockNumber"], 16) == row["height"] and receipt["status"] == "0x1"
        clean = row["state"] in {"credited", "swept"}
        diary.check(
            same and clean == (name != "listed"),
            f"{name}: in that block on the chain",
            row["state"],
        )
    alerts = list(cast.service("carmen").every("/v1/alerts"))
    listed = Account.from_key(LISTED_PAYER).address
    diary.check(
        any(listed.lower() in str(alert).lower() for alert in alerts),
        "compliance has an alert that names the listed payer",
        alerts,
    )


def swept(cast: Cast) -> None:
    """Wait until cleared money is in the vault; look at what the addresses had for gas."""
    diary, node, owner = cast.diary, cast.node, cast.service(OWNER.handle)
    vault, token = diary.get("vault"), diary.get("token")

    def done() -> bool:
        rows = owner.every("/v1/deposits")
        return len([row for row in rows if row["state"] == "swept"]) == len(CLEAN)

    owner.wait("cleared deposits are swept", done, timeout_seconds=120)
    sums = {
        asset: sum(units for *_, each, units in CLEAN if each == asset) for asset in (ETH, TUSD)
    }
    # At the block of the sweep: a resumed day has paid out since.
    held = diary.once(
        "vault-after-sweep", lambda: {ETH: node.balance(vault), TUSD: node.balance(vault, token)}
    )
    diary.check(
        held == sums,
        f"the vault holds {shown(ETH, sums[ETH])} and {shown(TUSD, sums[TUSD])}",
        held,
    )
    shipper = diary.get("address/shippers")["address"]
    code = node.code(shipper)
    diary.check(
        code == "0xef0100" + diary.get("sweeper")[2:].lower(),
        "the address delegates (EIP-7702) to a sweeper that can pay only this vault",
        code,
    )
    diary.check(
        node.balance(shipper) == 0 and node.balance(shipper, token) == 0,
        "it never held a wei for gas",
    )
    listed = diary.get("address/walk-in")["address"]
    diary.check(node.balance(listed) == ETHER, "the quarantined ether lies untouched, unmixed")


def _signed(cast: Cast, key: str, address: str, asset: str, units: int) -> str:
    if asset == ETH:
        return cast.node.signed(key, address, units)
    return cast.node.signed(key, cast.diary.get("token"), 0, transfer_data(address, units))


def shown(asset: str, units: int) -> str:
    """Return units as text for people, with thousands and the symbol."""
    symbol, scale = asset.split("/")
    whole, part = divmod(units, 10 ** int(scale))
    text = f"{whole:,}" + (f".{part:0{scale}d}".rstrip("0") if part else "")
    return f"{text} {symbol}"
