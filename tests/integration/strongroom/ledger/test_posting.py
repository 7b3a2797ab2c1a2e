"""P3: the ledger's invariants 1 to 7 and 10: what the single door takes and what it refuses."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from strongroom.kit.clock import FixedClock
from strongroom.ledger import service
from strongroom.ledger.errors import AccountCodeInvalid, PostingInvalid, PostingRefused
from strongroom.ledger.types import AccountRef, ChainPoint
from tests.factories.books import ACTOR, EUR, make_books

MOST = 2**256 - 1


def test_each_refusal_has_its_code_and_books_nothing(books):
    books.fund("client:a", 100)
    assert books.codes_of(
        books.posting("no-legs"),
        books.posting("zero", ("client:b", "client:a", 0)),
        books.posting("negative", ("client:b", "client:a", -1)),
        books.posting("too-large", ("fiat:bank:main", "client:a", MOST + 1)),
        books.posting("unknown", ("client:nobody", "client:a", 1)),
        books.posting("same", ("client:a", "client:a", 1)),
        books.posting("overdraw", ("client:a", "client:b", 101)),
        books.posting("other-asset", ("client:a", "client:b", 1), asset="USD/2"),
    ) == [
        "ledger.no_legs",
        "ledger.amount_invalid",
        "ledger.amount_invalid",
        "ledger.amount_invalid",
        "ledger.unknown_account",
        "ledger.same_account",
        "ledger.insufficient_funds",
        "ledger.unknown_account",
    ]
    assert books.balance("client:a").posted == 100
    assert books.balance("client:b").posted == 0


def test_256_bits_fit_and_one_more_is_refused(books):
    asset = "BIG/0"
    books.open(asset)
    most = books.posting("most", ("fiat:bank:main", "client:a", MOST), asset=asset)
    more = books.posting("more", ("fiat:bank:main", "client:a", 1), asset=asset)
    assert books.codes_of(most, more) == ["posted", "ledger.balance_too_large"]
    assert books.balance("client:a", asset).posted == MOST
    books.assert_sound()


def test_a_batch_is_judged_in_its_order_and_one_refusal_stops_no_other(books):
    books.fund("client:a", 100)
    assert books.codes_of(
        books.posting("1", ("client:a", "client:b", 60)),
        books.posting("2", ("client:a", "client:b", 60)),
        books.posting("3", ("client:b", "client:c", 60)),
        books.posting("4", ("client:c", "client:a", 10), ("client:b", "client:a", 10)),
        books.posting("5", ("client:c", "client:a", 60)),
    ) == ["posted", "ledger.insufficient_funds", "posted", "ledger.insufficient_funds", "posted"]
    assert [books.balance(f"client:{name}").posted for name in "abc"] == [100, 0, 0]
    books.assert_sound()


def test_a_key_stands_for_one_body_for_ever(books):
    first = books.posting("k", ("fiat:bank:main", "client:a", 5))
    other = books.posting("k", ("fiat:bank:main", "client:a", 6))
    (posted, replayed, refused) = books.post(first, first, other)
    assert (posted.outcome, replayed.outcome) == ("posted", "replayed")
    assert replayed.transaction_id == posted.transaction_id
    assert refused.code == "ledger.key_reused"
    (again,) = books.post(first)
    assert (again.outcome, again.transaction_id) == ("replayed", posted.transaction_id)
    assert books.balance("client:a").posted == 5
    # A record a posting: the replays above logged it again in this test's units, not in the books.


def test_a_refused_key_stays_free(books):
    wanted = books.posting("later", ("client:a", "client:b", 10))
    assert books.codes_of(wanted) == ["ledger.insufficient_funds"]
    books.fund("client:a", 10)
    assert books.codes_of(wanted) == ["posted"]


def test_a_hold_counts_at_once(books):
    books.fund("client:a", 100)
    assert books.codes_of(
        books.posting("hold", ("client:a", "fiat:bank:main", 80), phase="hold"),
        books.posting("spend", ("client:a", "client:b", 30)),
        books.posting("hold-2", ("client:a", "fiat:bank:main", 30), phase="hold"),
    ) == ["posted", "ledger.insufficient_funds", "ledger.insufficient_funds"]
    found = books.balance("client:a")
    assert (found.posted, found.pending, found.available) == (100, 80, 20)
    books.assert_sound()


def test_a_hold_resolves_once_and_leaves_no_residue(books):
    books.fund("client:a", 100)
    for number, (phase, legs, left) in enumerate(
        [
            ("post", (), 70),
            ("post", (("client:a", "fiat:bank:main", 20),), 50),
            ("void", (), 50),
        ]
    ):
        key = f"hold-{number}"
        books.post(books.posting(key, ("client:a", "fiat:bank:main", 30), phase="hold"))
        resolved = books.posting(f"end-{number}", *legs, phase=phase, refers_to=key)
        assert books.codes_of(resolved, resolved) == ["posted", "replayed"]
        for again in ("post", "void", "expire"):
            late = books.posting(f"late-{number}-{again}", phase=again, refers_to=key)
            assert books.codes_of(late) == ["ledger.hold_resolved"]
        found = books.balance("client:a")
        assert (found.posted, found.pending) == (left, 0)


def test_two_resolutions_in_one_batch_are_one(books):
    books.fund("client:a", 100)
    books.post(books.posting("hold", ("client:a", "fiat:bank:main", 30), phase="hold"))
    assert books.codes_of(
        books.posting("void", phase="void", refers_to="hold"),
        books.posting("post", phase="post", refers_to="hold"),
    ) == ["posted", "ledger.hold_resolved"]
    books.assert_sound()


def test_a_hold_is_posted_as_it_was_made_or_for_less(books):
    books.fund("client:a", 100)
    books.post(books.posting("hold", ("client:a", "fiat:bank:main", 30), phase="hold"))
    end = {"phase": "post", "refers_to": "hold"}
    assert books.codes_of(books.posting("1", ("client:a", "fiat:bank:main", 31), **end)) == [
        "ledger.more_than_original"
    ]
    assert books.codes_of(books.posting("2", ("client:a", "client:b", 30), **end)) == [
        "ledger.legs_differ"
    ]
    assert books.codes_of(books.posting("3", phase="post", refers_to="nothing")) == [
        "ledger.original_not_found"
    ]
    assert books.codes_of(books.posting("4", phase="reversal", refers_to="hold")) == [
        "ledger.not_reversible"
    ]


def test_a_hold_expires_only_when_its_time_has_come(connect):
    clock = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
    books = make_books(connect, clock=clock)
    books.fund("client:a", 100)
    books.post(
        books.posting(
            "hold",
            ("client:a", "fiat:bank:main", 30),
            phase="hold",
            expires_at=clock.now() + timedelta(hours=1),
        )
    )
    expire = books.posting("expire", phase="expire", refers_to="hold")
    assert books.codes_of(expire) == ["ledger.hold_not_expired"]
    clock.advance(3600)
    assert books.codes_of(expire) == ["posted"]
    assert books.balance("client:a").available == 100


def test_reversals_are_linked_and_never_more_than_the_original(books):
    books.post(books.posting("in", ("fiat:bank:main", "client:a", 100)))
    part = (("client:a", "fiat:bank:main", 60),)
    back = {"phase": "reversal", "refers_to": "in"}
    assert books.codes_of(books.posting("r1", *part, **back)) == ["posted"]
    assert books.codes_of(books.posting("r2", *part, **back)) == ["ledger.more_than_original"]
    assert books.codes_of(books.posting("r3", **back)) == ["posted"]
    assert books.codes_of(books.posting("r4", **back)) == ["ledger.more_than_original"]
    assert books.balance("client:a").posted == 0
    books.assert_sound()


def test_a_reversal_may_go_below_the_floor_and_freezes_the_account(books):
    books.post(books.posting("in", ("fiat:bank:main", "client:a", 100)))
    books.post(books.posting("spent", ("client:a", "client:b", 70)))
    books.post(books.posting("orphaned", phase="reversal", refers_to="in"))
    found = books.balance("client:a")
    assert (found.posted, found.frozen) == (-70, True)
    books.fund("client:a", 69)
    assert books.codes_of(books.posting("out", ("client:a", "client:b", 1))) == [
        "ledger.account_frozen"
    ]
    books.assert_sound()


def test_a_debt_that_is_paid_thaws_the_account_or_it_could_never_pay_again(books):
    """P10: after a reorganisation the same deposit comes back in another block."""
    books.post(books.posting("in", ("fiat:bank:main", "client:a", 100)))
    books.post(books.posting("spent", ("client:a", "client:b", 70)))
    books.post(books.posting("orphaned", phase="reversal", refers_to="in"))
    books.post(books.posting("in again", ("fiat:bank:main", "client:a", 100)))
    found = books.balance("client:a")
    assert (found.posted, found.frozen) == (30, False)
    assert books.codes_of(books.posting("out", ("client:a", "client:b", 30))) == ["posted"]
    books.assert_sound()


def test_the_custody_of_a_height_leaves_later_blocks_and_their_orphans_out(books):
    custody = "custody:31337:0x" + "ab" * 20
    books.open(codes=[custody])

    def seen(key: str, height: int, units: int, **more: object) -> None:
        point = ChainPoint(31337, height, bytes([height]) * 32)
        legs = () if more else ((custody, "suspense:unscreened", units),)
        (result,) = books.post(books.posting(key, *legs, chain=point, **more))
        assert result.outcome == "posted"

    seen("d1", 10, 5)
    seen("d2", 11, 7)
    seen("d3", 12, 9)
    seen("d2-orphaned", 11, 7, phase="reversal", refers_to="d2")
    with books.database.read(books.organisation, ACTOR) as uow:
        at = {h: service.custody_at(uow, 31337, h)[0].units for h in (9, 10, 11, 12)}
    assert at == {9: 0, 10: 5, 11: 5, 12: 14}


def test_a_balance_of_a_moment_can_be_asked_for_ever(connect):
    clock = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
    books = make_books(connect, clock=clock)
    moments = []
    for step in range(1, 6):
        clock.advance(60)
        books.fund("client:a", 10)
        books.post(books.posting(f"fee-{step}", ("client:a", "house:fees", 1)))
        moments.append(clock.now())
    with books.database.read(books.organisation, ACTOR) as uow:
        for code, wanted in (("client:a", [9, 18, 27, 36, 45]), ("house:fees", [1, 2, 3, 4, 5])):
            ref = AccountRef(books.organisation, code, EUR)
            assert [service.balance_at(uow, ref, at) for at in moments] == wanted
            before = moments[0] - timedelta(seconds=1)
            assert service.balance_at(uow, ref, before) == 0


def test_house_accounts_are_folded_and_read_right_before_and_after(books):
    books.fund("client:a", 100)
    for step in range(5):
        books.post(books.posting(f"fee-{step}", ("client:a", "house:fees", 2)))
    before = books.balance("house:fees")
    with books.connect("strongroom_worker").unit(None, ACTOR) as uow:
        assert service.fold(uow) > 0
        assert service.fold(uow) == 0
    assert books.balance("house:fees") == before
    assert before.posted == 10
    books.assert_sound()


def test_one_posting_may_be_asked_for_with_its_error(books):
    with books.door.unit(books.organisation, ACTOR) as uow:
        with pytest.raises(PostingRefused) as refused:
            service.post_or_raise(uow, books.posting("x", ("client:a", "client:b", 1)))
        with pytest.raises(PostingInvalid) as invalid:
            service.post_or_raise(uow, books.posting("y", ("client:a", "client:b", 0)))
        with pytest.raises(AccountCodeInvalid):
            service.open_accounts(uow, [AccountRef(books.organisation, "pocket:x", EUR)])
    assert (refused.value.code, refused.value.http_status) == ("ledger.insufficient_funds", 409)
    assert (invalid.value.code, invalid.value.http_status) == ("ledger.amount_invalid", 422)


def test_accounts_are_opened_once(books):
    books.open()
    with books.database.read(books.organisation, ACTOR) as uow:
        assert len(service.balances(uow, books.organisation)) == len(books.codes)


def test_a_missing_record_is_found(books):
    """`log verify` joins the books to the log: a unit that forgot its record is named."""
    books.fund("client:a", 5)
    books.assert_sound()
    with books.door.unit(books.organisation, ACTOR) as uow:
        service.post(uow, [books.posting(f"unlogged-{uuid4()}", ("client:a", "client:b", 5))])
    (sentence,) = books.broken()
    assert "unlogged" in sentence
