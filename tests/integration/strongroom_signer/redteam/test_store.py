"""P4: an older, foreign or edited journal, a changed configuration, swapped keys in the table."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from strongroom_signer import sealed
from strongroom_signer.clock import FixedClock
from strongroom_signer.errors import Unfit
from strongroom_signer.journal.store import Journal, TokenMarks
from tests.integration.strongroom_signer.redteam.stage import (
    Attack,
    Scene,
    Stage,
    ask,
    relay,
)
from tests.integration.strongroom_signer.test_relay import ask_for, sweep

NOT_THIS_STORE = "an older or foreign copy"
CHAIN_BROKEN = "does not fit the chain"


def copied(stage: Stage, place: Path) -> Path:
    """The journal as it is now, in another folder."""
    with (
        closing(sqlite3.connect(stage.desk.settings.directory / "journal.sqlite")) as source,
        closing(sqlite3.connect(place / "journal.sqlite")) as copy,
    ):
        source.backup(copy)
    return place / "journal.sqlite"


def edited(path: Path, *statements: str) -> None:
    """Write into a store whose triggers the attacker has dropped."""
    with closing(sqlite3.connect(path)) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def start(stage: Stage, path: Path, at: int | None = None) -> None:
    """What a start does with the journal at `path`, under the marks of the stage's token."""
    clock = FixedClock(stage.desk.clock.now() if at is None else at)
    journal = Journal(path, clock, TokenMarks(stage.desk.token))
    try:
        journal.verify_chain()
        journal.begin()
    finally:
        journal._reserved_to = 0  # the stage's own journal goes on under the token's mark
        journal.close()


def rewound(stage: Stage, _path: Path) -> None:
    """A copy from before the last payment, put in its place."""
    stage.scene().paid()
    stage.desk.house.journal._reserve()


def emptied(_stage: Stage, path: Path) -> None:
    """No journal at all: a new one would begin."""
    path.unlink()


def cut_short(_stage: Stage, path: Path) -> None:
    """The newest receipts taken away."""
    edited(path, "DELETE FROM receipt WHERE seq > (SELECT max(seq) FROM receipt) - 50")


def rewritten(_stage: Stage, path: Path) -> None:
    """A request that is said to have been refused."""
    edited(path, "UPDATE receipt SET body = replace(body, 'accepted', 'refused') WHERE seq > 3")


def left_out(_stage: Stage, path: Path) -> None:
    """One receipt of the past taken away."""
    edited(path, "DELETE FROM receipt WHERE seq = 4")


def of_another_past(_stage: Stage, path: Path) -> None:
    """The journal of another signer under this token."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.commit()


STORES: dict[Callable[[Stage, Path], None], str] = {
    rewound: NOT_THIS_STORE,
    emptied: NOT_THIS_STORE,
    cut_short: NOT_THIS_STORE,
    rewritten: CHAIN_BROKEN,
    left_out: CHAIN_BROKEN,
    of_another_past: NOT_THIS_STORE,
}


@pytest.mark.parametrize("change", STORES, ids=lambda change: change.__name__)
def test_journal_is_refused_at_the_start_when(
    change: Callable[[Stage, Path], None], stage: Stage, tmp_path: Path, record_property
) -> None:
    record_property("subject", "store")
    record_property("tried", " ".join((change.__doc__ or "").split()))
    stage.scene().paid()
    stage.desk.house.journal._reserve()
    path = copied(stage, tmp_path)
    change(stage, path)
    with pytest.raises(Unfit, match=STORES[change]) as refusal:
        start(stage, path)
    record_property("refusal", f"does not start: {refusal.value}")
    assert stage.desk.house.journal.size > 0


def test_the_newest_copy_starts(stage: Stage, tmp_path: Path) -> None:
    """Or every start would be refused, whatever the copy is."""
    stage.desk.house.journal._reserve()
    mark = stage.desk.house.journal.mark()
    start(stage, copied(stage, tmp_path))
    stage.desk.house.journal._reserve()
    assert mark is not None


def test_a_clock_set_back_is_refused(stage: Stage, tmp_path: Path) -> None:
    """Limits, cooling and expiry would begin anew."""
    stage.scene().paid()
    stage.desk.house.journal._reserve()
    with pytest.raises(Unfit, match="clock is behind"):
        start(stage, copied(stage, tmp_path), at=stage.desk.clock.now() - 86_400)


@pytest.mark.parametrize(
    ("honest", "forged"),
    [
        ('"officer_quorum":2', '"officer_quorum":1'),
        ('"chain_id":31337', '"chain_id":1'),
        ('"cooling_seconds":7200', '"cooling_seconds":0'),
        ('"loosening_seconds":3600', '"loosening_seconds":0'),
    ],
)
def test_a_changed_configuration_is_refused(
    honest: str, forged: str, stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    shutil.copy(stage.desk.settings.directory / "config.json", path)
    assert sealed.load(path, stage.desk.house.keyring) == stage.desk.house.config
    text = path.read_text()
    assert honest in text
    path.write_text(text.replace(honest, forged))
    with pytest.raises(Unfit, match="seal"):
        sealed.load(path, stage.desk.house.keyring)


LEAF = "branch = 0 AND leaf_index = 0 AND account_index"


def swapped_blob(it: Scene, account: int) -> tuple[str, Attack]:
    """The blob of leaf 1 in the place of leaf 0's: another key signs for the address."""
    other = "SELECT wrapped FROM sealed_key WHERE branch = 0 AND leaf_index = 1 AND account_index"
    update = f"UPDATE sealed_key SET wrapped = ({other} = {account}) WHERE {LEAF} = {account}"
    return update, relay(ask_for(it.company, "sweep", **sweep(it.company)))


def swapped_address(it: Scene, account: int) -> tuple[str, Attack]:
    """An address of the attacker's in the key table, to be told to a payer."""
    update = f"UPDATE sealed_key SET address = x'{account:040x}' WHERE {LEAF} = {account}"
    return update, ask("provenance", {"organisation": it.company.reference, "index": 0})


def another_kek(it: Scene, account: int) -> tuple[str, Attack]:
    """A row that names another KEK."""
    update = f"UPDATE sealed_key SET kek = 9 WHERE {LEAF} = {account}"
    return update, relay(ask_for(it.company, "sweep", **sweep(it.company)))


def swapped_xpub(it: Scene, account: int) -> tuple[str, Attack]:
    """Another account's xpub in the key table, for the next manifest."""
    company = it.desk.company(founded=False)
    victim = company.account["account_index"]
    other = f"SELECT xpub FROM sealed_account WHERE account_index = {account}"
    update = f"UPDATE sealed_account SET xpub = ({other}) WHERE account_index = {victim}"
    return update, ask("policy_first", company.policy_first())


ROWS = (swapped_blob, swapped_address, another_kek, swapped_xpub)


@pytest.mark.parametrize("swap", ROWS, ids=lambda swap: swap.__name__)
def test_a_row_of_the_key_table_is_refused_when_it_is(
    swap: Callable[[Scene, int], tuple[str, Attack]], stage: Stage, record_property
) -> None:
    record_property("subject", "key table")
    record_property("tried", " ".join((swap.__doc__ or "").split()))
    it = stage.scene()
    statement, request = swap(it, it.company.account["account_index"])
    path = stage.desk.settings.directory / "pool.sqlite"
    with closing(sqlite3.connect(path)) as pool:
        before = list(pool.iterdump())
        assert pool.execute(statement).rowcount > 0
        pool.commit()
        words = stage.strike(request, "key_table_changed")
        _restore(pool, before)
    record_property("refusal", f"signer.key_table_changed: {words}")


def _restore(pool: sqlite3.Connection, dump: list[str]) -> None:
    for table in ("sealed_key", "sealed_account"):
        pool.execute(f"DELETE FROM {table}")
    for line in dump:
        if line.startswith("INSERT"):
            pool.execute(line)
    pool.commit()
