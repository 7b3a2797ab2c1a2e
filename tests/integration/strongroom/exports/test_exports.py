"""P8: an export of the real books and log is accepted by the verifier, which shares no code."""

import shutil
from pathlib import Path

import psycopg
import pytest

from strongroom.db import outbox
from strongroom.exports import parts, service
from strongroom.exports.archive import MEMBERS, write_archive
from strongroom.exports.errors import ExportNotReady, ExportUnknown
from strongroom.kit.ids import HOUSE
from strongroom.ledger.types import Leg, Posting
from strongroom_verify.main import main
from tests.factories.bundles import DEPOSIT, Block, custody, receipt, transaction
from tests.integration.strongroom.exports.conftest import (
    AUDITOR,
    CLIENT,
    ONE,
    SUSPENSE,
    TWO,
    House,
    on_chain,
)


def test_an_export_is_accepted_by_the_verifier(
    lived: House, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = lived.finish(lived.request())
    assert main([str(bundle), "--log-key", lived.log_key.public.hex()]) == 0
    assert capsys.readouterr().out.endswith("ACCEPTED\n")
    report = lived.verify(bundle)
    assert [outcome.state for outcome in report.outcomes] == ["PASS"] * 4
    assert report.facts["rows"] == 4
    assert report.facts["rows_on_chain"] == {"transaction": 1, "log": 1}


def test_a_byte_changed_in_the_file_is_refused_and_the_row_named(lived: House) -> None:
    bundle = lived.finish(lived.request())
    raw = bytearray(bundle.read_bytes())
    raw[raw.index(b'"units":"250"') + 9] ^= 1
    bundle.write_bytes(raw)
    report = lived.verify(bundle)
    assert report.outcomes[0].where == "rows.jsonl line 2 (record 0, row 1)"


def test_it_waits_for_the_checkpoint_over_its_own_record(lived: House) -> None:
    export = lived.request()
    lived.deliver()
    assert lived.view(export).state == "requested", "its request is not in the log yet"
    lived.log()
    lived.clock.advance(1)
    lived.deliver()
    assert lived.view(export).state == "awaiting_checkpoint"
    for _ in range(2):
        lived.clock.advance(1)
        lived.deliver()
        assert lived.view(export).state == "awaiting_checkpoint", "nothing was signed since"
        lived.log(sign=False)
    with lived.worker.read(ONE, AUDITOR) as uow, pytest.raises(ExportNotReady):
        service.path(uow, export, lived.export_dir)
    assert not list(lived.export_dir.glob("*.zip"))
    bundle = lived.finish(export)
    assert lived.verify(bundle).accepted


def test_it_stops_waiting_when_the_log_never_signs(
    lived: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.exports.build.WAITS_MAX", 3)
    export = lived.request()
    for _ in range(6):
        lived.deliver()
        lived.clock.advance(1)
    view = lived.view(export)
    assert view.state == "failed"
    assert "relay and signer" in (view.reason or "")
    assert lived.deliver() == 0


def test_what_is_booked_after_the_request_belongs_to_the_next_export(lived: House) -> None:
    export = lived.request()
    late = Posting(ONE, "late", "transfer", (Leg(CLIENT, "client:other", "TUSD/6", 1),))
    lived.book("ledger.transfer", [late])
    bundle = lived.finish(export)
    report = lived.verify(bundle)
    assert report.accepted
    assert (report.facts["rows"], report.facts["records"]) == (4, 5)
    again = lived.verify(lived.finish(lived.request()))
    assert again.accepted
    assert again.facts["rows"] == 5


def test_another_organisations_records_and_exports_are_not_in_it(lived: House) -> None:
    export = lived.request()
    bundle = lived.finish(export)
    raw = bundle.read_bytes()
    assert str(TWO).encode() not in raw
    assert b"fiat:bank:x" not in raw
    with lived.worker.read(TWO, AUDITOR) as uow:
        with pytest.raises(ExportUnknown):
            service.get(uow, export)
        assert service.list_exports(uow, TWO) == []
    with lived.worker.read(ONE, AUDITOR) as uow:
        assert [found.id for found in service.list_exports(uow, ONE)] == [export]


def test_the_house_exports_its_own_books_and_nobody_elses(lived: House) -> None:
    posting = Posting(HOUSE, "h", "fiat", (Leg("fiat:bank:own", "house:equity", "EUR/2", 7),))
    lived.book("fiat.booked", [posting], HOUSE)
    bundle = lived.finish(lived.request(HOUSE))
    report = lived.verify(bundle)
    assert report.accepted, report.outcomes
    assert report.facts["rows"] == 1
    assert str(ONE).encode() not in bundle.read_bytes()


def test_a_job_that_died_anywhere_ends_in_one_good_bundle(
    lived: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P10: die after the files, after sealing, and with the working folder gone."""
    passes = iter([True, True, False, True, False, True])

    def die(name: str) -> None:
        if next(passes, False):
            raise RuntimeError(f"killed at {name}")

    monkeypatch.setattr("strongroom.exports.build.crash_point", die)
    export = lived.request()
    for _ in range(12):
        lived.log()
        lived.deliver()
        lived.clock.advance(61)
        if lived.view(export).state == "awaiting_checkpoint":
            break
    for folder in lived.export_dir.glob(".*.parts"):
        shutil.rmtree(folder)
    for _ in range(12):
        lived.log()
        lived.deliver()
        lived.clock.advance(61)
    assert next(passes, None) is None, "it died as often as planned"
    view = lived.view(export)
    assert view.state == "ready"
    bundle = service.bundle_path(lived.export_dir, export)
    assert lived.verify(bundle).accepted
    assert [path.name for path in lived.export_dir.iterdir()] == [bundle.name]
    assert (view.size_bytes, view.progress_rows) == (bundle.stat().st_size, 4)


def test_a_message_that_comes_twice_builds_once(lived: House) -> None:
    export = lived.request()
    bundle = lived.finish(export)
    before = bundle.stat()
    with lived.worker.unit(ONE, AUDITOR) as uow:
        outbox.enqueue(uow, service.TOPIC, "again", {"export_id": str(export)})
    lived.deliver()
    assert bundle.stat().st_mtime_ns == before.st_mtime_ns


def test_the_same_contents_give_the_same_bytes(lived: House, tmp_path: Path) -> None:
    for name in MEMBERS:
        (tmp_path / name).write_bytes(name.encode() * 1000)
    first = write_archive(tmp_path, tmp_path / "a.zip")
    lived.clock.advance(3600)
    assert write_archive(tmp_path, tmp_path / "b.zip") == first
    assert (tmp_path / "a.zip").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_books_that_name_a_block_the_indexer_lacks_fail_with_a_sentence(lived: House) -> None:
    unknown = Block(8, [transaction(DEPOSIT, 5, 3)], [receipt([])])
    leg = Leg(custody(DEPOSIT), SUSPENSE, "ETH/18", 5)
    lived.book("indexer.block", [on_chain("u", leg, unknown, 0, "native", -1)])
    export = lived.request()
    for _ in range(4):
        lived.log()
        lived.deliver()
        lived.clock.advance(1)
    view = lived.view(export)
    assert view.state == "failed"
    assert "2 block headers" in (view.reason or "")


def test_an_export_too_large_for_its_format_fails_with_a_sentence(
    lived: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MEMBER_BYTES_MAX", 500)
    export = lived.request()
    for _ in range(4):
        lived.log()
        lived.deliver()
        lived.clock.advance(1)
    assert "rows.jsonl would be larger" in (lived.view(export).reason or "")


def test_an_export_is_never_unmade_by_the_api(lived: House) -> None:
    lived.request()
    with psycopg.connect(lived.database.conninfo("strongroom_api")) as connection:
        connection.execute("SELECT set_config('strongroom.org', %s, false)", (str(ONE),))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM export")
