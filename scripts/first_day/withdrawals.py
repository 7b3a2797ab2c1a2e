"""Step 7: three withdrawals: one is paid, one is refused by policy, one is blocked."""

from typing import Any

from first_day.cast import ETH, TUSD, Cast
from first_day.deposits import DOLLAR, ETHER, shown
from strongroom_client import Payment
from strongroom_client.intents import NATIVE

PAID_UNITS = 1_234_560_000
OVER_LIMIT = 6_000 * DOLLAR
ENDED = {"finalized", "rejected", "blocked", "failed", "expired", "cancelled"}


def three(cast: Cast) -> None:
    """Ask for three withdrawals as the initiator, approve as two approvers."""
    _paid(cast)
    _refused(cast)
    _blocked(cast)


def _paid(cast: Cast) -> None:
    diary, node = cast.diary, cast.node
    token, supplier = diary.get("token"), diary.get("supplier")
    meant = Payment(supplier, token, PAID_UNITS)
    order = _request(cast, "invoice-17", TUSD, "1234.56", meant)
    waiting = _wait(cast, order["id"], {"awaiting_approval", *ENDED})
    vault = diary.get("vault")
    for handle in ("anna", "chen"):
        if _detail(cast, order["id"])["state"] != "awaiting_approval":
            break
        signatures = cast.key(handle).approve_payment(
            waiting["intent"], vault, waiting["safe_nonce"], node.chain_id, meant
        )
        cast.service(handle).approve_withdrawal(
            order["id"], signatures, diary.key(f"approve-invoice-17-{handle}")
        )
        diary.say(f"{handle} signed SafeTx and payment: {shown(TUSD, PAID_UNITS)} to Supplier Ltd")
    done = _wait(cast, order["id"], ENDED, seconds=120)
    diary.check(done["state"] == "finalized", "paid, mined, final and posted", done["reason"])
    receipt = node.receipt(diary.once("paid-out", lambda: done["tx_hash"]))
    diary.check(
        int(receipt["blockNumber"], 16) <= node.height("finalized"),
        f"transaction {done['tx_hash'][:18]}… in block {int(receipt['blockNumber'], 16)}",
    )
    diary.check(node.balance(supplier, token) == PAID_UNITS, "the supplier has exactly that much")


def _refused(cast: Cast) -> None:
    meant = Payment(cast.diary.get("supplier"), cast.diary.get("token"), OVER_LIMIT)
    order = _request(cast, "invoice-18", TUSD, "6000", meant)
    ended = _wait(cast, order["id"], ENDED)
    cast.diary.check(
        ended["state"] == "rejected", f"refused by policy: {ended['reason']}", ended["state"]
    )


def _blocked(cast: Cast) -> None:
    diary = cast.diary
    partner = diary.get("old-partner")
    order = _request(cast, "refund-3", ETH, "0.5", Payment(partner, NATIVE, ETHER // 2))
    ended = _wait(cast, order["id"], ENDED)
    diary.check(
        ended["state"] == "blocked", f"blocked by screening: {ended['reason']}", ended["state"]
    )
    diary.check(cast.node.balance(partner) == 0, "the listed partner got nothing")
    held = [row for row in cast.service("ines").every("/v1/balances") if row["pending"] != "0"]
    diary.check(not held, "no hold is left behind", held)


def _request(cast: Cast, reference: str, asset: str, amount: str, meant: Payment) -> dict[str, Any]:
    """Draft, sign and request as Ines; resumed, it is the same request."""
    diary, ines = cast.diary, cast.service("ines")
    draft = diary.once(
        f"draft/{reference}",
        lambda: ines.draft_withdrawal("treasury", asset, meant.to, amount, reference),
    )
    signature = cast.key("ines").sign_withdrawal(draft["intent"], cast.node.chain_id, meant)
    return ines.request_withdrawal(
        "treasury", draft["intent"], signature, diary.key(f"request-{reference}")
    )


def _detail(cast: Cast, identifier: str) -> dict[str, Any]:
    return cast.service("ines").withdrawal(identifier)


def _wait(cast: Cast, identifier: str, states: set[str], seconds: float = 60) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = _detail(cast, identifier)
        return found if found["state"] in states else None

    found = cast.service("ines").wait(
        f"withdrawal {identifier} is {' or '.join(sorted(states))}", look, timeout_seconds=seconds
    )
    return dict(found)
