"""Gas is booked to the wei, for the house's key and for keys of organisations, and reversed."""

import pytest

from strongroom.chain.ports import BlockView, TransactionSeen
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit.ids import HOUSE
from strongroom.ledger.types import Posting
from strongroom.relay.sink import GAS_ACCOUNT, RelaySink
from strongroom.relay.types import Purpose
from strongroom.wallets.service import custody_code
from strongroom_protocol.hashing import keccak256
from tests.integration.strongroom.relay.bench import Bench

COIN = "ETH/18"


@pytest.mark.parametrize(
    ("purpose", "payer"),
    [
        ("sweep", GAS_ACCOUNT),
        ("gas_topup", GAS_ACCOUNT),
        ("leaf_sweep", GAS_ACCOUNT),
        ("hot_payment", None),
    ],
)
def test_what_the_chain_took_for_gas_is_what_the_books_take(
    bench: Bench, purpose: Purpose, payer: str | None
):
    sender = bench.signer.address
    before = bench.node.balance(sender)
    one = bench.enqueue(f"costs gas: {purpose}", purpose)
    bench.run()
    bench.chain.mine()
    cost = before - bench.node.balance(sender) - 1  # the payment itself is of one wei
    relay_key = sender if purpose == "sweep" else b"\x77" * 20
    sink = RelaySink(bench.chain.chain_id, relay_key, COIN)
    block = the_block(bench)
    booked, back = through(bench, sink, block)
    assert bench.view(one).state == "broadcast"
    if payer is None:
        assert (booked, back) == ([], [])
        return
    custody = custody_code(bench.chain.chain_id, sender)
    (posting,), (reversal,) = booked, back
    (leg,), (undone,) = posting.legs, reversal.legs
    assert (posting.organisation_id, leg.units, leg.asset) == (HOUSE, cost, COIN)
    assert (leg.debit, leg.credit) == (payer, custody)
    assert (undone.debit, undone.credit, undone.units) == (custody, payer, cost)
    assert reversal.refers_to == posting.key


def the_block(bench: Bench) -> BlockView:
    header = bench.node.head()
    hash_ = keccak256(bench.faulty.raws[-1])
    receipt = bench.node.receipt(hash_)
    assert receipt is not None
    seen = TransactionSeen(
        hash=hash_,
        index=0,
        sender=bench.signer.address,
        recipient=None,
        nonce=0,
        status=True,
        gas_used=int(receipt.gas_used, 16),
        effective_gas_price=int(receipt.effective_gas_price, 16),
        logs=(),
    )
    return BlockView(
        chain_id=bench.chain.chain_id,
        height=header.height,
        hash=header.hash,
        parent_hash=header.parent_hash,
        time=bench.clock.now(),
        transfers=(),
        transactions=(seen,),
    )


def through(bench: Bench, sink: RelaySink, block: BlockView) -> tuple[list[Posting], list[Posting]]:
    """What a block books when it is confirmed, and when it is orphaned then."""
    indexer = Database(
        bench.test_database.url("strongroom_indexer"), clock=bench.clock, application_name="test"
    )
    try:
        with indexer.unit(None, system("indexer")) as uow:
            booked = list(sink.on_confirmed(uow, [block])[0])
        with indexer.unit(None, system("indexer")) as uow:
            return booked, list(sink.on_orphaned(uow, block))
    finally:
        indexer.close()
