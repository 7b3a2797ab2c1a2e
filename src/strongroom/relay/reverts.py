"""Why a transaction was mined and did nothing, in words: Solidity's errors, Safe's codes, ours.

Pure. Sources: Solidity ABI (Error(string), Panic(uint256)), docs/error_codes.md of Safe 1.5.0, and
the ABIs of the contracts that we deploy.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from strongroom_protocol.abi import selector
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.deployment import artifacts

REASON_MAX: Final = 2_000
WORD: Final = 32
FRAMES_MAX: Final = 1_000
ERROR: Final = selector("Error(string)")
PANIC: Final = selector("Panic(uint256)")
PANICS: Final[Mapping[int, str]] = {
    0x00: "a check of the compiler's own",
    0x01: "an assertion did not hold",
    0x11: "a number was too large or below zero",
    0x12: "a division by zero",
    0x21: "a value that its enumeration does not have",
    0x22: "storage that is encoded wrongly",
    0x31: "an element was taken from an empty array",
    0x32: "an index outside of its array",
    0x41: "too much memory was asked for",
    0x51: "a function that was never set was called",
}
SAFE_CODES: Final[Mapping[str, str]] = {
    "GS000": "the Safe was not set up",
    "GS001": "the Safe has no threshold",
    "GS010": "too little gas was left for the Safe's transaction",
    "GS011": "the Safe could not pay for gas in coin",
    "GS012": "the Safe could not pay for gas in a token",
    "GS013": "the call that the Safe makes failed",
    "GS020": "owners' signatures are missing",
    "GS021": "a contract's signature points into the fixed part",
    "GS022": "a contract's signature has no length",
    "GS023": "a contract's signature is cut off",
    "GS024": "a contract owner did not accept its signature",
    "GS025": "an owner has not approved the hash",
    "GS026": "a signature is no owner's, not in order, or over another Safe nonce",
    "GS030": "only owners can approve a hash",
    "GS031": "only the Safe itself may call this",
    "GS101": "this address cannot be a module",
    "GS102": "the module is there already",
    "GS103": "the module before it is another one",
    "GS104": "only a module that is enabled may call this",
    "GS201": "the threshold is above the number of owners",
    "GS202": "the threshold must be above zero",
    "GS203": "this address cannot be an owner",
    "GS204": "this owner is there already",
    "GS205": "the owner before it is another one",
    "GS300": "the guard is none",
    "GS301": "the module guard is none",
    "GS400": "the Safe cannot be its own fallback handler",
}


def explain(data: bytes) -> str:
    """One revert's data as a sentence without its full stop. Unknown data is shown as it is."""
    if not data:
        return "no reason was given"
    head, rest = data[:4], data[4:]
    if head == ERROR:
        text = _text(rest)
        code = SAFE_CODES.get(text)
        return f"{text}: {code}" if code else f'"{text}"'
    if head == PANIC and len(rest) == WORD:
        number = int.from_bytes(rest, "big")
        return f"panic 0x{number:02x}: {PANICS.get(number, 'unknown')}"
    known = _ours().get(head)
    if known is not None:
        name, inputs = known
        if len(rest) == WORD * len(inputs):
            values = (rest[at : at + WORD] for at in range(0, len(rest), WORD))
            told = (_value(one, word) for one, word in zip(inputs, values, strict=True))
            return f"{name}({', '.join(told)})"
    return "unknown data 0x" + data[:100].hex()


def explain_trace(top: Mapping[str, Any]) -> str:
    """The reason in a callTracer's answer: the outermost call's, and the one it came from. Raises
    KeyError, ValueError, TypeError: it is no such answer.
    """
    reasons = list(dict.fromkeys(_reasons(top)))
    return "; because of ".join([reasons[0], *reasons[-1:]][: len(reasons)])[:REASON_MAX]


def _reasons(top: Mapping[str, Any]) -> Iterator[str]:
    """Of the failed call, then of the failed call in it, and so on."""
    frame: Mapping[str, Any] | None = top
    for _ in range(FRAMES_MAX):
        if frame is None:
            return
        data = bytes.fromhex(str(frame.get("output") or "0x")[2:])
        error = str(frame.get("error") or "")
        yield explain(data) if data or "revert" in error else error or "no reason was given"
        failed = [call for call in frame.get("calls") or () if call.get("error")]
        frame = failed[-1] if failed else None


def _text(rest: bytes) -> str:
    """The string of Error(string); control characters are left out, for it is a stranger's."""
    length = int.from_bytes(rest[WORD : 2 * WORD], "big")
    text = rest[2 * WORD : 2 * WORD + min(length, REASON_MAX // 2)].decode("utf-8", "replace")
    return re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]", "", text)


@cache
def _ours() -> dict[bytes, tuple[str, Sequence[Mapping[str, str]]]]:
    """Selector → name and inputs of each error of the contracts that we deploy."""
    return {
        selector(f"{one['name']}({','.join(part['type'] for part in one['inputs'])})"): (
            one["name"],
            one["inputs"],
        )
        for contract in artifacts().values()
        for one in contract["abi"]
        if one["type"] == "error"
    }


def _value(part: Mapping[str, str], word: bytes) -> str:
    if part["type"] == "address":
        shown = checksum(Address(word[12:]))
    elif part["type"].startswith("uint"):
        shown = str(int.from_bytes(word, "big"))
    else:
        shown = "0x" + word.hex()
    return f"{part['name']} {shown}" if part["name"] else shown
