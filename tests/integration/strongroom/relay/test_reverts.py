"""What reverted on a real chain is explained by the node, and the row tells its owner."""

import pytest

from strongroom.chain.errors import MethodMissing
from strongroom.chain.node import Node
from strongroom.relay.revert_loop import STRANGE, RevertLoop
from tests.integration.strongroom.relay.bench import SINK, Bench
from tests.integration.strongroom.relay.test_keys import sql
from tests.unit.strongroom.relay.test_reverts import error

PAUSED = error("paused")
NAME = "refused by a contract"


class NodeWithoutTraces:
    """As most providers' plans are."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def request(self, method: str, *parameters: object) -> object:
        if method.startswith("debug_"):
            raise MethodMissing("not in this plan")
        return self._node.request(method, *parameters)


@pytest.fixture
def reverted(bench: Bench) -> Bench:
    """A payment that a contract refused, as the indexer would have left it."""
    # PUSH1 n, PUSH1 12, PUSH0, CODECOPY; PUSH1 n, PUSH0, REVERT; the data.
    size = len(PAUSED).to_bytes(1, "big").hex()
    code = f"60{size}600a5f3960{size}5ffd" + PAUSED.hex()
    bench.chain.rpc("anvil_setCode", "0x" + SINK.hex(), "0x" + code)
    bench.enqueue(NAME)
    bench.run()
    bench.chain.mine()
    sql(
        bench,
        "UPDATE outgoing SET state = 'mined', succeeded = false, mined_height = %s,"
        " mined_hash = (SELECT hash FROM outgoing_attempt), mined_block_hash = %s",
        bench.chain.height(),
        b"\x01" * 32,
    )
    return bench


@pytest.mark.parametrize("traces", [True, False])
def test_a_revert_is_explained_with_traces_and_without(reverted: Bench, *, traces: bool):
    node = reverted.node if traces else NodeWithoutTraces(reverted.node)
    loop = RevertLoop(reverted.database, node, reverted.chain.chain_id)
    assert loop.step()
    assert not loop.step()
    view = reverted.view(reverted.enqueue(NAME))
    assert view.revert_reason == '"paused"'
    assert view.last_error == 'The transaction was mined and reverted: "paused".'


class NodeThatForgot(NodeWithoutTraces):
    """It has pruned the transaction."""

    def request(self, method: str, *parameters: object) -> object:
        found = super().request(method, *parameters)
        return None if method == "eth_getTransactionByHash" else found


def test_a_transaction_that_the_node_has_forgotten_holds_up_no_others_reason(reverted: Bench):
    loop = RevertLoop(reverted.database, NodeThatForgot(reverted.node), reverted.chain.chain_id)
    assert loop.step()
    assert not loop.step()
    assert reverted.view(reverted.enqueue(NAME)).revert_reason == STRANGE
