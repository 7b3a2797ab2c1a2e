"""P2, P4: the thief has the API's database role and names whatever organisation it likes."""

import json
from uuid import UUID, uuid4

import psycopg
import pytest

from strongroom.ledger import service
from strongroom.ledger.types import ChainPoint, Leg, Posting
from tests.factories.books import ACTOR, Books, make_books

ASSET = "TUSD/6"
VAULT = "custody:31337:0x" + "ab" * 20
DEPOSIT = "custody:31337:0x" + "d0" * 20
POINT = ChainPoint(31337, 10, b"\x0a" * 32)
CODES = (
    "client:a",
    "client:b",
    "fiat:bank:main",
    "house:fees",
    "quarantine",
    "suspense:unscreened",
    VAULT,
    DEPOSIT,
)


@pytest.fixture
def victim(connect) -> Books:
    """Another organisation, whose vault and deposit address hold a thousand each."""
    books = make_books(connect)
    books.open(ASSET, CODES)
    arrived = [
        _posting(books, f"deposit:{n}", Leg(custody, "suspense:unscreened", ASSET, 1_000))
        for n, custody in enumerate((VAULT, DEPOSIT))
    ]
    settled = _posting(books, "settle:1", Leg("suspense:unscreened", "client:a", ASSET, 1_000))
    assert books.codes_of(*arrived, settled) == ["posted"] * 3
    return books


def _posting(books: Books, key: str, *legs: Leg, **more: object) -> Posting:
    return Posting(books.organisation, key, "test", legs, **more)  # type: ignore[arg-type]


def _steal(victim: Books, *postings: Posting) -> list[str]:
    """What the door answers to the thief, who has named the victim's organisation."""
    with victim.connect("strongroom_api").unit(victim.organisation, ACTOR) as uow:
        return [one.code or one.outcome for one in service.post(uow, postings)]


def leg(debit: str, credit: str, units: int = 5) -> Leg:
    return Leg(debit, credit, ASSET, units)


FORBIDDEN: dict[str, tuple[str, tuple[Leg, ...], dict[str, object]]] = {
    "money into a custody": ("transfer:1", (leg(VAULT, "suspense:unscreened"),), {}),
    "money out of a custody": ("transfer:1", (leg("client:a", VAULT),), {}),
    "from custody to custody": ("transfer:1", (leg(VAULT, DEPOSIT),), {}),
    "unscreened money credited": ("transfer:1", (leg("suspense:unscreened", "client:b"),), {}),
    "money into suspense": ("transfer:1", (leg("client:a", "suspense:unscreened"),), {}),
    "money into quarantine": ("transfer:1", (leg("client:a", "quarantine"),), {}),
    "money to the house": ("transfer:1", (leg("client:a", "house:fees"),), {}),
    "money from the house": ("transfer:1", (leg("house:fees", "client:a"),), {}),
    "money out by bank": ("fiat:1", (leg("client:a", "fiat:bank:main"),), {}),
    "coins of the chain from a bank": ("fiat:1", (leg("fiat:bank:main", "client:a"),), {}),
    "one good leg beside a bad one": (
        "transfer:1",
        (leg("client:a", "client:b"), leg(VAULT, "suspense:unscreened")),
        {},
    ),
    "the key of a block's posting": ("deposit:2", (leg("client:a", "client:b"),), {}),
    "the key of a settlement": ("settle:2", (leg("client:a", "client:b"),), {}),
    "a block's word": ("transfer:1", (leg("client:a", "client:b"),), {"chain": POINT}),
    "a hold under another key": ("transfer:1", (leg("client:a", VAULT),), {"phase": "hold"}),
    "a hold of custody": (
        f"withdrawal:{uuid4()}:hold",
        (leg(VAULT, DEPOSIT),),
        {"phase": "hold"},
    ),
    "a reversal of what a block brought": (
        "transfer:1",
        (),
        {"phase": "reversal", "refers_to": "deposit:1"},
    ),
    "a reversal of a settlement": (
        "transfer:1",
        (),
        {"phase": "reversal", "refers_to": "settle:1"},
    ),
}


@pytest.mark.parametrize("attack", FORBIDDEN)
def test_the_apis_role_books_nothing_that_is_others_work(victim, attack):
    key, legs, more = FORBIDDEN[attack]
    before = _all_balances(victim)
    assert _steal(victim, _posting(victim, key, *legs, **more)) == ["ledger.not_yours"]
    assert _all_balances(victim) == before


def test_a_refused_theft_stops_no_honest_posting_beside_it(victim):
    good = _posting(victim, "transfer:good", leg("client:a", "client:b"))
    bad = _posting(victim, "transfer:bad", leg("client:a", VAULT))
    assert _steal(victim, bad, good) == ["ledger.not_yours", "posted"]


def test_what_the_api_is_there_for_it_may(victim):
    victim.open("EUR/2", ("fiat:bank:main", "client:a"))
    fiat = Leg("fiat:bank:main", "client:a", "EUR/2", 7)
    assert (
        _steal(
            victim,
            _posting(victim, "transfer:1", leg("client:a", "client:b")),
            _posting(victim, "fiat:1", fiat),
            _posting(victim, f"withdrawal:{uuid4()}:hold", leg("client:a", VAULT), phase="hold"),
        )
        == ["posted"] * 3
    )


def _withdrawal(victim: Books, state: str, *, bound: bool) -> UUID:
    """A withdrawal with its hold, as far on its way as `state` says."""
    made = uuid4()
    row = {
        "organisation_id": str(victim.organisation),
        "id": str(made),
        "intent": "\\x" + made.hex * 2,
        "fields": {},
        "reference": made.hex,
        "initiator": "ada",
        "initiator_signature": "\\x" + "11" * 65,
        "wallet": "\\x" + "ab" * 20,
        "wallet_kind": "vault",
        "vault_id": str(made),
        "source": "client:a",
        "asset": ASSET,
        "destination": "\\x" + "22" * 20,
        "units": 5,
        "valid_until": "2100-01-01T00:00:00Z",
        "policy_version": 1,
        "state": state,
        "reason": "",
        "held": True,
        "safe_nonce": 0 if bound else None,
        "safe_tx_hash": "\\x" + made.hex * 2 if bound else None,
        "bound_at": "2026-01-01T00:00:00Z" if bound else None,
        "void_to": "cancelled" if state == "voiding" else None,
        "void_round": 0,
        "batch_place": 0,
        "memo": "",
        "fee_level": "normal",
        "attempt": 0,
        "request_id": "",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    }
    with psycopg.connect(victim.connect.found.conninfo(), autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(
            "INSERT INTO withdrawal SELECT * FROM jsonb_populate_record(NULL::withdrawal, %s)",
            (json.dumps(row),),
        )
    hold = _posting(victim, f"withdrawal:{made}:hold", leg("client:a", VAULT), phase="hold")
    assert _steal(victim, hold) == ["posted"]
    return made


def _ended(victim: Books, made: UUID, phase: str = "void") -> Posting:
    key = f"withdrawal:{made}:void"
    return _posting(victim, key, phase=phase, refers_to=f"withdrawal:{made}:hold")


@pytest.mark.parametrize(
    "state", ["binding", "signed", "broadcast", "mined", "voiding", "cancelled"]
)
def test_the_hold_of_a_payment_under_way_is_not_let_go(victim, state):
    made = _withdrawal(victim, state, bound=True)
    for phase in ("void", "expire", "post"):
        assert _steal(victim, _ended(victim, made, phase)) in (
            ["ledger.not_yours"],
            ["ledger.hold_not_expired"],
        )
    paid = _posting(victim, "paid", phase="post", refers_to=f"withdrawal:{made}:hold", chain=POINT)
    assert victim.codes_of(paid) == ["posted"]


@pytest.mark.parametrize(
    "change",
    [
        "state = 'cancelled'",
        "state = 'cancelled', bound_at = NULL",
        "state = 'approved', held = false",
        "state = 'finalized'",
        "held = false",
        "safe_nonce = NULL, safe_tx_hash = NULL",
    ],
)
def test_nor_is_its_row_made_to_look_like_one_that_may(victim, change):
    made = _withdrawal(victim, "binding", bound=True)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        victim.connect("strongroom_api").unit(victim.organisation, ACTOR) as uow,
    ):
        uow.execute(f"UPDATE withdrawal SET {change} WHERE id = %s", (made,))


@pytest.mark.parametrize(
    "change",
    [
        "units = 1",
        "fields = '{\"wallet\": 1}'",
        "destination = decode(repeat('33', 20), 'hex')",
        "source = 'client:b'",
        "safe_nonce = 7, safe_tx_hash = sha256('x')",
        "held = false",
        "state = 'binding'",
        "state = 'mined'",
        "organisation_id = gen_random_uuid()",
    ],
)
def test_what_was_ordered_stays_as_it_was_ordered(victim, change):
    made = _withdrawal(victim, "approved", bound=False)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        victim.connect("strongroom_api").unit(victim.organisation, ACTOR) as uow,
    ):
        uow.execute(f"UPDATE withdrawal SET {change} WHERE id = %s", (made,))


def test_before_the_nonce_is_bound_an_order_ends_and_its_money_is_free(victim):
    made = _withdrawal(victim, "approved", bound=False)
    assert _steal(victim, _ended(victim, made)) == ["ledger.not_yours"]
    with victim.connect("strongroom_api").unit(victim.organisation, ACTOR) as uow:
        uow.execute(
            "UPDATE withdrawal SET state = 'cancelled', held = false WHERE id = %s", (made,)
        )
        (found,) = service.post(uow, [_ended(victim, made)])
    assert found.outcome == "posted"
    assert victim.balance("client:a", ASSET).pending == 0


@pytest.mark.parametrize(
    ("code", "debit_normal", "floored"),
    [
        ("custody:31337:0x" + "ee" * 20, False, True),
        ("custody:31337:0x" + "ee" * 20, True, False),
        ("client:rich", False, False),
        ("suspense:x", True, True),
        ("pocket:x", False, True),
    ],
)
def test_an_account_is_of_its_codes_class_whoever_opens_it(victim, code, debit_normal, floored):
    """A custody that debits empty would make the block that fills it be refused for ever."""
    with (
        pytest.raises(psycopg.errors.CheckViolation),
        victim.connect("strongroom_api").unit(victim.organisation, ACTOR) as uow,
    ):
        uow.execute(
            "SELECT ledger_open_accounts(now(), %s::uuid[], %s, %s, %s::boolean[], %s::boolean[])",
            ([victim.organisation], [code], [ASSET], [debit_normal], [floored]),
        )


@pytest.mark.parametrize("step", [0, 2, 2**31 - 1])
def test_steps_of_a_withdrawal_leave_no_gap_into_which_the_next_one_would_fall(victim, step):
    """The indexer's own step would meet the thief's, and its block be refused for ever."""
    made = _withdrawal(victim, "signed", bound=True)
    write = (
        "INSERT INTO withdrawal_transition (organisation_id, withdrawal_id, step, to_state, reason,"
        " actor, at) VALUES (current_organisation(), %s, %s, 'signed', '', 'thief', now())"
    )
    with victim.connect("strongroom_relay").unit(victim.organisation, ACTOR) as uow:
        uow.execute(write, (made, 0))
    with (
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UniqueViolation)),
        victim.connect("strongroom_api").unit(victim.organisation, ACTOR) as uow,
    ):
        uow.execute(write, (made, step))


def _all_balances(victim: Books) -> list[object]:
    with victim.connect("strongroom_worker").read(victim.organisation, ACTOR) as uow:
        return list(service.balances(uow, victim.organisation))


def test_a_watched_address_is_booked_under_its_own_name(victim):
    """Another name could be one that no account may have, or another address's."""
    with (
        pytest.raises(psycopg.errors.CheckViolation),
        victim.connect("strongroom_api").unit(victim.organisation, ACTOR) as uow,
    ):
        uow.execute(
            "INSERT INTO watched_address (organisation_id, id, chain_id, address, kind,"
            " custody_code, created_at) VALUES (%s, gen_random_uuid(), 31337,"
            " decode(repeat('d1', 20), 'hex'), 'deposit', 'pocket:x', now())",
            (victim.organisation,),
        )
