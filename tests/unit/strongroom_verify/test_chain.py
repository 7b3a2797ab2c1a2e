"""P8: what the books say of the chain must be what the proven receipt or transaction says.

Here the liar is an insider: the log is signed, every hash agrees, only the chain does not.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.factories.bundles import (
    DEPOSIT,
    PAYER,
    TOKEN,
    VAULT,
    Block,
    Draft,
    custody,
    first_day,
    log,
    moved,
    posting,
    receipt,
    seal,
    transaction,
)
from tests.unit.strongroom_verify.conftest import Judge, failures

Change = Callable[[Draft], Any]
TOKEN_ROW, NATIVE_ROW = (1, 1), (1, 0)


def row(draft: Draft, place: tuple[int, int]) -> dict[str, Any]:
    return draft.records[place[0]][2][place[1]]


def memo(name: str, value: str, place: tuple[int, int] = TOKEN_ROW) -> Change:
    return lambda draft: row(draft, place)["memo"].update({name: value})


def leg(name: str, value: str, place: tuple[int, int] = TOKEN_ROW) -> Change:
    return lambda draft: row(draft, place)["legs"][0].update({name: value})


def point(name: str, value: Any) -> Change:
    return lambda draft: row(draft, TOKEN_ROW)["chain"].update({name: value})


LIES: dict[str, tuple[Change, str]] = {
    "more tokens than the log": (leg("units", "250000001"), "no such transfer"),
    "another payer": (memo("from", "0x" + "ab" * 20), "no such transfer"),
    "another token": (memo("token", "0x" + "71" * 20), "not the contract stated"),
    "another asset": (leg("asset", "EUR/2"), "not the contract stated"),
    "another log of the block": (memo("position", "-1"), "no such transfer"),
    "another recipient": (memo("to", "0x" + "ab" * 20), "not the transfer's recipient"),
    "another account": (leg("debit", custody(VAULT)), "not the transfer's recipient"),
    "another account to take from": (
        leg("credit", custody(PAYER), (3, 0)),
        "not the transfer's sender",
    ),
    "no custody at all": (leg("debit", "client:treasury"), "exactly one leg of custody"),
    "another height": (point("height", 8), "says height 8"),
    "another chain": (point("chain_id", 1), "no header"),
    "another block": (point("block_hash", "0x" + "00" * 32), "no header"),
    "another transaction": (memo("tx", "0x" + "00" * 32), "no receipt"),
    "more ether than paid": (leg("units", "1" + "0" * 19, NATIVE_ROW), "another value"),
    "a native transfer with a token": (
        memo("token", "0x" + "70" * 20, NATIVE_ROW),
        "names a token",
    ),
    "custody that moves off the chain": (
        lambda draft: row(draft, TOKEN_ROW).update(chain=None),
        "moves custody but names no transaction",
    ),
    "custody that moves in a block at large": (
        lambda draft: row(draft, TOKEN_ROW).update(memo={}),
        "moves custody but names no transaction",
    ),
    "no header": (lambda draft: draft.blocks.pop(), "no header"),
    "no receipt": (lambda draft: draft.receipts.pop(), "no receipt"),
    "a block twice": (
        lambda draft: draft.blocks.append(draft.blocks[0]),
        "block stands here twice",
    ),
    "a receipt twice": (
        lambda draft: draft.receipts.append(draft.receipts[0]),
        "receipt stands here twice",
    ),
    "a proof that ends early": (
        lambda draft: draft.receipts[1]["receipt_proof"].pop(),
        "cut off",
    ),
    "a proof of another receipt": (
        lambda draft: draft.receipts[1].update(
            draft.blocks[0].receipt_line(0), tx="0x" + "0a" * 32
        ),
        "another hash",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_books_that_differ_from_the_chain_are_refused(lie: str, draft: Draft, judge: Judge) -> None:
    change, words = LIES[lie]
    other = first_day()
    other.key = draft.key
    change(other)
    report = judge(seal(other))
    found = failures(report)
    assert set(found) == {"CHAIN"}, found
    assert " line " in found["CHAIN"]
    assert words in report.outcomes[3].sentence


def one_block(draft: Draft, rows: list[dict[str, Any]], block: Block, *receipts: int) -> Draft:
    """A draft with the log's key and only these rows, all in one block."""
    made = Draft(key=draft.key, blocks=[block])
    made.receipts = [block.receipt_line(at) for at in receipts]
    made.records = [("indexer.block", "3", rows), ("exports.requested", draft.records[-1][1], [])]
    return made


def token_block(*transfers: tuple[bytes, bytes, int], status: int = 1) -> Block:
    logs = [log(TOKEN, *transfer) for transfer in transfers]
    return Block(3, [transaction(TOKEN, 0, 1)], [receipt(logs, status=status)])


def arrival(block: Block, position: int, **more: Any) -> dict[str, Any]:
    booked = posting((custody(DEPOSIT), "suspense:unscreened", "TUSD/6", 5), **more)
    return booked | moved(block, 0, "erc20", position, (PAYER, DEPOSIT))


def test_the_same_transfer_booked_twice_is_refused(draft: Draft, judge: Judge) -> None:
    block = token_block((PAYER, DEPOSIT, 5))
    report = judge(seal(one_block(draft, [arrival(block, 0), arrival(block, 0)], block, 0)))
    assert failures(report) == {"CHAIN": "rows.jsonl line 2 (record 0, row 1)"}
    assert "booked twice" in report.outcomes[3].sentence


def test_two_equal_transfers_of_one_transaction_are_two(draft: Draft, judge: Judge) -> None:
    """The receipt's logs begin at the block's fourth: places 4 and 5 fit, 4 and 6 do not."""
    block = token_block((PAYER, DEPOSIT, 5), (PAYER, DEPOSIT, 5))
    fits = one_block(draft, [arrival(block, 4), arrival(block, 5)], block, 0)
    assert judge(seal(fits)).accepted
    gap = one_block(draft, [arrival(block, 4), arrival(block, 6)], block, 0)
    assert failures(judge(seal(gap))) == {"CHAIN": "rows.jsonl line 2 (record 0, row 1)"}


def test_a_transfer_may_be_booked_again_after_its_reversal(draft: Draft, judge: Judge) -> None:
    """A block left the chain and came back: booked, reversed, booked."""
    block = token_block((PAYER, DEPOSIT, 5))
    back = posting(("suspense:unscreened", custody(DEPOSIT), "TUSD/6", 5), phase="reversal")
    back |= moved(block, 0, "erc20", 0, (PAYER, DEPOSIT))
    rows = [arrival(block, 0), back, arrival(block, 0)]
    assert judge(seal(one_block(draft, rows, block, 0))).accepted
    assert failures(judge(seal(one_block(draft, rows[1:], block, 0))))["CHAIN"]


def test_a_failed_transaction_moved_nothing(draft: Draft, judge: Judge) -> None:
    block = token_block((PAYER, DEPOSIT, 5), status=0)
    report = judge(seal(one_block(draft, [arrival(block, 0)], block, 0)))
    assert "failed on chain" in report.outcomes[3].sentence


def test_a_withdrawal_without_legs_moves_the_hold_it_refers_to(draft: Draft, judge: Judge) -> None:
    block = token_block((VAULT, PAYER, 5))
    hold = posting(("client:treasury", custody(VAULT), "TUSD/6", 5), phase="hold", key="h")
    paid = posting(phase="post", key="p", refers_to="h")
    paid |= moved(block, 0, "erc20", 0, (VAULT, PAYER))
    assert judge(seal(one_block(draft, [hold, paid], block, 0))).accepted
    hold["legs"][0]["units"] = "6"
    assert failures(judge(seal(one_block(draft, [hold, paid], block, 0))))["CHAIN"]
    assert failures(judge(seal(one_block(draft, [paid], block, 0))))["CHAIN"]


def test_a_native_payment_without_its_transaction_is_proven_less_and_said_so(
    draft: Draft, judge: Judge
) -> None:
    other = first_day()
    other.key = draft.key
    other.receipts[0]["tx_proof"] = None
    report = judge(seal(other))
    assert report.accepted
    assert report.facts["rows_on_chain"] == {"log": 2, "receipt": 2}


def test_a_fee_names_its_transaction_only(draft: Draft, judge: Judge) -> None:
    block = token_block((PAYER, DEPOSIT, 5))
    fee = posting(("house:gas", custody(PAYER), "ETH/18", 21000), kind="gas")
    fee |= moved(block, 0, "gas", 0, (PAYER, TOKEN))
    fee["memo"] |= {"position": "", "to": ""}
    report = judge(seal(one_block(draft, [fee], block, 0)))
    assert report.accepted
    assert report.facts["rows_on_chain"] == {"fee": 1}


def test_an_export_without_chain_rows_says_not_checked(draft: Draft, judge: Judge) -> None:
    plain = Draft(key=draft.key)
    plain.records = [
        ("ledger.transfer", "x", [posting(("client:a", "client:b", "EUR/2", 1))]),
        ("exports.requested", draft.records[-1][1], []),
    ]
    report = judge(seal(plain))
    assert report.accepted
    assert report.outcomes[3].state == "NOT CHECKED"


@pytest.mark.parametrize(("name", "value"), [("type", "payment"), ("phase", "maybe")])
def test_rows_outside_the_format_are_refused(
    draft: Draft, judge: Judge, name: str, value: str
) -> None:
    """A row that the verifier cannot read is not one that it may pass over."""
    other = first_day()
    other.key = draft.key
    row(other, (2, 1))[name] = value
    assert failures(judge(seal(other))) == {"INTEGRITY": "rows.jsonl line 4 (record 2, row 1)"}


def withdrawn(draft: Draft) -> tuple[Draft, dict[str, str]]:
    """The native deposit as one that the beacon chain brought; and its memo."""
    other = first_day()
    other.key = draft.key
    found = row(other, NATIVE_ROW)
    memo_: dict[str, str] = found["memo"]
    memo_.update(kind="withdrawal", tx=found["chain"]["block_hash"])
    memo_["from"] = "0x" + "00" * 20
    return other, memo_


def test_a_withdrawal_is_in_its_block_and_in_no_transaction(judge: Judge, draft: Draft) -> None:
    other, _ = withdrawn(draft)
    assert failures(judge(seal(other))) == {}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("tx", "0x" + "ab" * 32, "names its block"),
        ("token", "0x" + "70" * 20, "names its block"),
        ("to", "0x" + "ab" * 20, "not the transfer's recipient"),
    ],
)
def test_a_withdrawal_that_lies_is_seen(
    judge: Judge, draft: Draft, name: str, value: str, told: str
) -> None:
    other, found = withdrawn(draft)
    found[name] = value
    report = judge(seal(other))
    assert set(failures(report)) == {"CHAIN"}
    assert told in report.outcomes[3].sentence
