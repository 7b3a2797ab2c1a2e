"""P8 end to end: a real node, the real indexer, the real books and log; the verifier reads it."""

import json
from pathlib import Path
from uuid import UUID

from strongroom.auditlog.checkpointer import Checkpointer
from strongroom.auditlog.sequencer import Sequencer
from strongroom.db.actor import system
from strongroom.exports import service
from strongroom.exports.build import Builder
from strongroom_verify.archive import Archive
from strongroom_verify.verify import Report, verify
from tests.factories.chain_stage import ADDRESS, FORWARD, Stage, connect, stage
from tests.integration.strongroom.exports.conftest import LogKey

__all__ = ["connect", "stage"]


def export(stage: Stage, folder: Path) -> tuple[Path, Report]:
    """Ask, log, build, log, seal, verify."""
    key = LogKey()
    relay = stage.connect("strongroom_relay", pool_size=2)
    worker = stage.connect("strongroom_worker", pool_size=4)
    builder = Builder(worker, folder)

    def log() -> None:
        while Sequencer(relay).step():
            pass
        Checkpointer(relay, key).step()

    def step(found: UUID) -> None:
        with worker.unit(stage.organisation, system("test")) as uow:
            builder.step(uow, found)

    with worker.unit(stage.organisation, system("test")) as uow:
        asked = service.request_export(uow, organisation_id=stage.organisation)
    for _ in range(2):
        log()
        step(asked)
    with worker.read(stage.organisation, system("test")) as uow:
        bundle = service.path(uow, asked, folder)
    return bundle, verify(bundle, key.public)


def test_deposits_of_every_kind_are_proven_as_far_as_they_can_be(
    stage: Stage, tmp_path: Path
) -> None:
    token, forwarder = stage.deploy_dollar(), stage.deploy(FORWARD)
    stage.allow(token)
    follower = stage.follower()
    for number in range(3):
        stage.send(ADDRESS, 10**18 + number)
        stage.mint(token, ADDRESS, 250_000_000)
        stage.mint(token, ADDRESS, 250_000_000)
        stage.send(forwarder, 7, "0x" + ADDRESS.rjust(32, b"\0").hex(), gas="0x20000")
        stage.chain.mine()
    stage.catch_up(follower)
    _, report = export(stage, tmp_path)
    assert [outcome.state for outcome in report.outcomes] == ["PASS"] * 4, report.outcomes
    assert report.facts["rows_on_chain"] == {"transaction": 3, "log": 6, "receipt": 3}
    assert list(report.facts["tokens"].values()) == ["0x" + token.hex()]


def test_what_a_reorganisation_took_back_is_proven_in_its_orphaned_block(
    stage: Stage, tmp_path: Path
) -> None:
    follower = stage.follower()
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(follower)
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine(2)
    stage.catch_up(follower)
    bundle, report = export(stage, tmp_path)
    assert report.accepted, report.outcomes
    archive = Archive.open(bundle)
    phases = [json.loads(line)["row"]["phase"] for line in archive.lines("rows.jsonl")]
    archive.close()
    assert phases == ["single", "reversal"]
