"""What was believed at a moment can be asked for ever, over reorganisations (P8, P10)."""

from datetime import UTC, datetime, timedelta

import pytest

from strongroom.cli import indexer as command
from strongroom.db.actor import system
from strongroom.indexer.believed import Belief, believed
from tests.factories.books import make_organisation
from tests.factories.chain_stage import ADDRESS, ETH, Stage


def then(stage: Stage, at: datetime, role: str = "strongroom_api", **more: object) -> Belief:
    organisation = stage.organisation if role == "strongroom_api" else None
    with stage.connect(role, pool_size=1).read(organisation, system("test")) as uow:
        return believed(uow, stage.chain.chain_id, at, **more)  # type: ignore[arg-type]


def now() -> datetime:
    return datetime.now(UTC)


def reorganised(stage: Stage) -> tuple[datetime, datetime, datetime]:
    """Moments: before a payment of 5 was seen; while it was believed; after a fork dropped it."""
    follower = stage.follower()
    stage.catch_up(follower)
    before = now()
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(follower)
    between = now()
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.catch_up(follower)
    return before, between, now()


@pytest.mark.parametrize("role", ["strongroom_api", "strongroom_indexer"])
def test_a_deposit_is_believed_from_its_sighting_until_its_fork_lost(stage: Stage, role: str):
    before, between, after = reorganised(stage)
    assert then(stage, before, role).transfers == ()
    assert then(stage, before, role).balances == ()
    belief = then(stage, between, role)
    (move,) = belief.transfers
    assert (move.units, move.recipient, move.state) == (5, ADDRESS, "confirmed")
    assert move.orphaned_at is not None
    assert between < move.orphaned_at < after
    (held,) = belief.balances
    assert (held.code, held.asset, held.units) == (stage.custody(), ETH, 5)
    (block,) = belief.blocks
    assert belief.head is not None
    assert (block.hash, belief.head.hash) == (move.block_hash, move.block_hash)
    later = then(stage, after, role)
    assert (later.transfers, later.balances, later.blocks) == ((), (), ())
    assert later.head is not None
    assert later.head.hash != block.hash


def test_the_state_of_a_block_is_that_of_the_moment(stage: Stage):
    follower = stage.follower(confirmations=2)
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(follower)
    moments = [now()]
    for _ in range(2):
        stage.chain.mine()
        stage.catch_up(follower)
        moments.append(now())
    states = [then(stage, moment).transfers[0].state for moment in moments]
    assert states[0] == "seen"
    assert states[1:] in (["safe", "finalized"], ["confirmed", "finalized"])


def test_before_anything_was_known_nothing_is_claimed(stage: Stage):
    moment = now() - timedelta(days=1)
    stage.catch_up(stage.follower())
    assert then(stage, moment).head is None


def test_an_organisation_sees_its_own_transfers_only(stage: Stage):
    _, between, _ = reorganised(stage)
    other = make_organisation(stage.connect.found)
    with stage.connect(pool_size=1).read(other, system("test")) as uow:
        belief = believed(uow, stage.chain.chain_id, between)
    assert (belief.transfers, belief.balances) == ((), ())


def test_pages_go_down(stage: Stage):
    follower = stage.follower()
    for value in (1, 2, 3):
        stage.send(ADDRESS, value)
        stage.chain.mine()
    stage.catch_up(follower)
    first = then(stage, now(), limit=1)
    assert [move.units for move in first.transfers] == [3]
    second = then(stage, now(), limit=5, below=first.transfers[-1].height)
    assert [move.units for move in second.transfers] == [2, 1]


def test_the_command_tells_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    _, between, _ = reorganised(stage)
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", stage.connect.found.url("strongroom_indexer"))
    monkeypatch.setenv("STRONGROOM_RPC_URLS", stage.chain.url)
    assert command.run(["believed", "--at", between.isoformat()]) == 0
    told = capsys.readouterr().out
    assert "of 5 (coin)" in told
    assert "given up at" in told
    assert f"{stage.custody()} held 5 of {ETH}" in told
    assert command.run(["believed", "--at", "yesterday"]) == 1
    assert "no moment" in capsys.readouterr().err
