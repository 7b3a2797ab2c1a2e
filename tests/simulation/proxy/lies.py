"""What is done to a batch on its way to a node and back: caps, lag, losses, edits. Pure."""

import random
from collections.abc import Callable
from typing import Any

from tests.simulation.proxy.faults import Decision, Faults

Message = dict[str, Any]
TAGS = ("latest", "safe", "finalized")
# Where a block is asked for: the method and the position of the block among its parameters.
BLOCK_AT = {
    "eth_getBlockByNumber": 0,
    "eth_getBalance": 1,
    "eth_getTransactionCount": 1,
    "eth_getCode": 1,
    "eth_call": 1,
    "eth_estimateGas": 1,
}
NOT_YET = -32_000
CAPPED = -32_005
INTERNAL = -32_603
INVALID = -32_602
NO_SUCH_METHOD = -32_601
WRAPPED = (
    "failed to forward: nonce too low",
    "header not found",
    "transaction underpriced",
    "execution aborted (timeout = 5s)",
)


def capped(call: Message, faults: Faults) -> Message | None:
    """A provider's refusal of a range that is too wide, or of a state override; or None."""
    if faults.no_overrides and call.get("method") == "eth_call" and call["params"][2:]:
        return failure(call, INVALID, "too many arguments, want at most 2")
    if call.get("method") != "eth_getLogs" or not faults.range_max:
        return None
    query = call["params"][0]
    if "blockHash" in query:
        return None
    first, last = (int(query[name], 16) for name in ("fromBlock", "toBlock"))
    if last - first < faults.range_max:
        return None
    return failure(call, CAPPED, f"eth_getLogs is limited to a {faults.range_max} block range")


def too_many(call: Message, answer: Message, faults: Faults) -> Message:
    """The answer, or a provider's refusal to give so many logs."""
    logs = answer.get("result")
    many = isinstance(logs, list) and 0 < faults.result_max < len(logs)
    if call.get("method") != "eth_getLogs" or not many:
        return answer
    return failure(call, CAPPED, f"query returned more than {faults.result_max} results")


def behind(call: Message, head: int, lag: int) -> Message:
    """The call as a node that is `lag` blocks behind understands it."""
    if not lag:
        return call
    position = BLOCK_AT.get(call.get("method", ""))
    parameters = list(call.get("params") or ())
    if position is None or position >= len(parameters) or parameters[position] not in TAGS:
        return call
    # Anvil's safe and finalized blocks are one and two behind its head.
    parameters[position] = hex(max(0, head - lag - TAGS.index(parameters[position])))
    return {**call, "params": parameters}


def unseen(call: Message, head: int, lag: int) -> Message | None:
    """What a node that is behind says of a block which it does not have; None = it has it."""
    if not lag:
        return None
    method, parameters = call.get("method"), list(call.get("params") or ())
    if method == "eth_blockNumber":
        return {"jsonrpc": "2.0", "id": call.get("id"), "result": hex(max(0, head - lag))}
    if method == "eth_getBlockByNumber" and str(parameters[0]).startswith("0x"):
        late = int(parameters[0], 16) > head - lag
        return {"jsonrpc": "2.0", "id": call.get("id"), "result": None} if late else None
    return None


def spoil(answers: list[Message], decision: Decision) -> list[Message]:
    """The answers of a batch as a faulty node gives them."""
    draw = decision.random()
    if "edit" in decision:
        answers = [edited(answer, draw) for answer in answers]
    if "null" in decision:
        answers = _one(answers, draw, lambda answer: {**answer, "result": None})
    if "error" in decision:
        answers = _one(answers, draw, lambda one: failure(one, INTERNAL, draw.choice(WRAPPED)))
    if "lose" in decision:
        answers = [*answers]
        answers.pop(draw.randrange(len(answers)))
    if "reorder" in decision:
        answers = draw.sample(answers, len(answers))
    return answers


def failure(call: Message, code: int, message: str) -> Message:
    """A JSON-RPC error in answer to this call."""
    return {"jsonrpc": "2.0", "id": call.get("id"), "error": {"code": code, "message": message}}


def edited(answer: Message, draw: random.Random) -> Message:
    """The answer with one amount raised, if there is one in it."""
    result = answer.get("result")
    places = list(_amounts(result))
    if not places:
        return answer
    holder, name = draw.choice(places)
    width = len(holder[name])
    raised = hex(int(holder[name], 16) + 1)
    holder[name] = "0x" + raised[2:].zfill(width - 2) if name == "data" else raised
    return answer


def _amounts(value: Any) -> list[tuple[Message, str]]:
    """Every log with data, and every native value, anywhere in a result."""
    found: list[tuple[Message, str]] = []
    if isinstance(value, dict):
        data = value.get("data")
        if "topics" in value and isinstance(data, str) and len(data) > len("0x"):
            found.append((value, "data"))
        if isinstance(value.get("value"), str) and value["value"].startswith("0x"):
            found.append((value, "value"))
        for inner in value.values():
            found += _amounts(inner)
    elif isinstance(value, list):
        for inner in value:
            found += _amounts(inner)
    return found


def _one(
    answers: list[Message], draw: random.Random, change: Callable[[Message], Message]
) -> list[Message]:
    at = draw.randrange(len(answers))
    return [change(answer) if i == at else answer for i, answer in enumerate(answers)]
