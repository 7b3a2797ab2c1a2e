"""P8: the staged log: gap-free under concurrency, provable, and every change of it found."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from strongroom.auditlog import record as records
from strongroom.auditlog import service, verification
from strongroom.auditlog.checkpointer import Checkpointer
from strongroom.auditlog.sequencer import BATCH_MAX, Sequencer
from strongroom_protocol import merkle
from tests.factories.books import ACTOR, make_books, make_organisation


class NoteMaker:
    """Signs as the signer would: only what continues the last head."""

    def __init__(self) -> None:
        self.size, self.root = 0, merkle.EMPTY_ROOT
        self.notes: list[str] = []

    def sign(self, size, root, consistency_proof):
        if (size, root) != (self.size, self.root):
            if self.size:
                merkle.verify_consistency(self.size, self.root, size, root, consistency_proof)
            self.size, self.root = size, root
            self.notes.append(f"note {size}")
        return f"note {size}"


def _append(database, organisation, count: int, name: str = "") -> None:
    for number in range(count):
        with database.unit(organisation, ACTOR) as uow:
            service.append(uow, "test.done", f"{name}{number}", {"n": number})


def _sequence(connect) -> None:
    sequencer = Sequencer(connect("strongroom_relay", pool_size=2))
    while sequencer.step():
        pass


def _broken(connect) -> list[str]:
    with connect("strongroom_worker", pool_size=1).read(None, ACTOR) as uow:
        return verification.broken(uow)


def _leaves(connect) -> list[bytes]:
    with psycopg.connect(connect.found.conninfo()) as superuser:
        rows = superuser.execute(
            "SELECT index, organisation_id, organisation_index, record_hash, sequenced_at"
            " FROM log_record ORDER BY index"
        ).fetchall()
    return [
        merkle.leaf_hash(records.leaf_content(row[0], row[1], row[2], bytes(row[3]), row[4]))
        for row in rows
    ]


def test_a_record_is_canonical_and_says_who_did_what(connect):
    organisation = make_organisation(connect.found)
    with connect().unit(organisation, ACTOR, request_id="r-1") as uow:
        record_hash = service.append(uow, "a.b", "s", {"name": "ü"}, rows=[{"x": 1}])
    _sequence(connect)
    with connect("strongroom_worker").read(organisation, ACTOR) as uow:
        (found, rows) = uow.execute(
            "SELECT record, rows FROM log_record WHERE record_hash = %s", (record_hash,)
        ).fetchone()
    said = json.loads(bytes(found))
    assert records.canonical(said) == bytes(found)
    assert said["actor"] == {"kind": "person", "id": "ada", "version": 1}
    assert (said["organisation"], said["request_id"]) == (str(organisation), "r-1")
    assert said["rows_root"] == "0x" + merkle.leaf_hash(b'{"x":1}').hex()
    assert bytes(rows) == b'[{"x":1}]'


def test_no_gap_and_no_twin_while_many_write_and_two_sequence(connect):
    database = connect(pool_size=16)
    organisations = [make_organisation(connect.found) for _ in range(3)]
    stop = threading.Event()
    relay = connect("strongroom_relay", pool_size=4)

    def sequence() -> None:
        while not stop.is_set():
            Sequencer(relay).step()

    threads = [threading.Thread(target=sequence) for _ in range(2)]
    for thread in threads:
        thread.start()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: _append(database, organisations[n % 3], 25, f"{n}-"), range(12)))
    stop.set()
    for thread in threads:
        thread.join()
    _sequence(connect)
    with connect("strongroom_worker").read(None, ACTOR) as uow:
        assert service.head(uow).size == 12 * 25
        counts = uow.execute(
            "SELECT organisation_id, count(*), max(organisation_index) + 1 FROM log_record"
            " GROUP BY organisation_id"
        ).fetchall()
    assert {row[1] for row in counts} == {row[2] for row in counts} == {100}
    assert _broken(connect) == []


def test_every_proof_leads_to_the_root(connect):
    database = connect()
    organisation = make_organisation(connect.found)
    sizes: list[int] = []
    for count in (1, 255, 1, 300, 60):
        with database.unit(organisation, ACTOR) as uow:
            for number in range(count):
                service.append(uow, "test.done", f"{number}", {})
        _sequence(connect)
        sizes.append((sizes[-1] if sizes else 0) + count)
    leaves = _leaves(connect)
    with connect("strongroom_worker").read(None, ACTOR) as uow:
        assert service.head(uow).root == merkle.root(leaves)
        for size in sizes:
            root = service.root_at(uow, size)
            assert root == merkle.root(leaves[:size])
            for index in {0, size // 2, size - 1, min(255, size - 1), min(256, size - 1)}:
                proof = service.inclusion_proof(uow, index, size)
                merkle.verify_inclusion(leaves[index], index, size, proof, root)
            for first in (one for one in sizes if one <= size):
                proof = service.consistency_proof(uow, first, size)
                merkle.verify_consistency(first, merkle.root(leaves[:first]), size, root, proof)
        some = list(range(0, sizes[-1], 7))
        assert service.inclusion_proofs(uow, some, sizes[-1]) == [
            service.inclusion_proof(uow, index, sizes[-1]) for index in some
        ]
        with pytest.raises(merkle.ProofInvalid):
            service.inclusion_proof(uow, sizes[-1], sizes[-1])


def test_more_than_a_batch_waits_for_the_next_step(connect):
    organisation = make_organisation(connect.found)
    with connect().unit(organisation, ACTOR) as uow:
        for number in range(BATCH_MAX + 5):
            service.append(uow, "test.done", f"{number}", {})
    sequencer = Sequencer(connect("strongroom_relay", pool_size=2))
    assert sequencer.step() is True
    assert sequencer.step() is False
    assert _broken(connect) == []


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE log_record SET record = record || ' ' WHERE index = 7", "hash was made of"),
        ("UPDATE log_record SET rows = '[{\"n\":1}]' WHERE index = 7", "commits to"),
        ("DELETE FROM log_record WHERE index = 7", "missing"),
        ("UPDATE log_record SET organisation_index = 99 WHERE index = 7", "leaves a gap"),
        ("UPDATE log_record SET sequenced_at = now() WHERE index = 7", "another root"),
        ("UPDATE log_head SET size = size + 1", "missing"),
    ],
)
def test_a_change_past_all_locks_is_found(connect, statement, sentence):
    """A superuser who drops the triggers first is still caught by the tree."""
    _append(connect(), make_organisation(connect.found), 12)
    _sequence(connect)
    assert _broken(connect) == []
    with psycopg.connect(connect.found.conninfo()) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(statement)
    assert any(sentence in one for one in _broken(connect))


def test_log_and_tiles_refuse_to_be_rewritten(connect):
    _append(connect(), make_organisation(connect.found), 3)
    _sequence(connect)
    for statement in (
        "UPDATE log_record SET record = record",
        "DELETE FROM log_record",
        "UPDATE log_tile SET hashes = substring(hashes FOR 32)",
        "UPDATE log_tile SET hashes = sha256('x')",
        "DELETE FROM log_tile",
        "TRUNCATE log_checkpoint",
    ):
        with (
            psycopg.connect(connect.found.conninfo()) as superuser,
            pytest.raises(psycopg.errors.RestrictViolation),
        ):
            superuser.execute(statement)


def test_a_signed_head_is_stored_and_the_next_one_continues_it(connect):
    database, organisation = connect(), make_organisation(connect.found)
    signer = NoteMaker()
    checkpointer = Checkpointer(connect("strongroom_relay", pool_size=2), signer)
    for _ in range(3):
        _append(database, organisation, 4)
        _sequence(connect)
        checkpointer.step()
        checkpointer.step()
    assert signer.notes == ["note 4", "note 8", "note 12"]
    with connect("strongroom_worker").read(None, ACTOR) as uow:
        newest = service.newest_checkpoint(uow)
    assert newest is not None
    assert (newest.size, newest.note) == (12, "note 12")
    assert _broken(connect) == []


def test_a_note_lost_between_signing_and_storing_is_asked_for_again(connect):
    """Otherwise the signer's memory would be ahead of ours for ever."""
    database, organisation = connect(), make_organisation(connect.found)
    signer = NoteMaker()
    relay = connect("strongroom_relay", pool_size=2)

    class Dies(Exception):
        pass

    class Lossy:
        def sign(self, size, root, consistency_proof):
            signer.sign(size, root, consistency_proof)
            raise Dies

    _append(database, organisation, 4)
    _sequence(connect)
    with pytest.raises(Dies):
        Checkpointer(relay, Lossy()).step()
    _append(database, organisation, 4)
    _sequence(connect)
    checkpointer = Checkpointer(relay, signer)
    checkpointer.step()
    checkpointer.step()
    with connect("strongroom_worker").read(None, ACTOR) as uow:
        sizes = uow.execute("SELECT size FROM log_checkpoint ORDER BY size").fetchall()
    assert sizes == [(4,), (8,)]


def test_a_tenant_reads_its_own_records_only(connect):
    mine, other = make_books(connect), make_books(connect)
    mine.fund("client:a", 1)
    other.fund("client:a", 1)
    _sequence(connect)
    with connect().read(mine.organisation, ACTOR) as uow:
        owners = uow.execute("SELECT DISTINCT organisation_id FROM log_record").fetchall()
    assert owners == [(mine.organisation,)]
