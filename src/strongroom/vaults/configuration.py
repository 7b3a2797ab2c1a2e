"""A Safe as it stands on chain at one block: who controls it, what guards it, what is announced.

Everything is read in two JSON-RPC batches at one block hash, so that no part is older than another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from strongroom.chain.errors import ChainError
from strongroom.chain.headers import Header
from strongroom.chain.node import Block, Node, block_parameter
from strongroom.chain.rpc import Call, octets, read
from strongroom.kit.errors import Invalid
from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.hashing import keccak256

GUARD_SLOT: Final = keccak256(b"guard_manager.guard.address")
MODULE_GUARD_SLOT: Final = keccak256(b"module_manager.module_guard.address")
HANDLER_SLOT: Final = keccak256(b"fallback_manager.handler.address")
SENTINEL: Final = Address(bytes(19) + b"\x01")
"""Begins and ends a Safe's lists of owners and of modules."""
MODULES_READ: Final = 32
VERSION_CHARACTERS: Final = 20
DELEGATION: Final = bytes.fromhex("ef0100")
"""An account with an EIP-7702 delegation keeps its key, and signs as before."""


class NotASafe(Invalid):
    """What stands at the address does not answer as a Safe does."""

    code = "vaults.not_a_safe"


@dataclass(frozen=True, slots=True)
class Limit:
    """A listed asset's limit in the guard, and what counts against it; units."""

    day_units: int
    spent_units: int


@dataclass(frozen=True, slots=True)
class GuardRecord:
    """What the vault's transaction guard answers of it. Times are block times, 0 = none."""

    exit_module: Address
    multi_send: Address
    permit_signer: Address
    policy_version: int
    singleton: Address
    people_hash: bytes
    freezers: tuple[Address, ...]
    frozen_until: int
    exit_frozen_until: int
    freeze_count: int
    limits: Mapping[Address, Limit]
    """Of the assets that were asked for (zero = native), those that are listed."""
    destinations: Mapping[Address, int]
    """Of the destinations that were asked for, from when on each may be paid; 0 = never."""
    changes: Mapping[bytes, int]
    """Of the change hashes that were asked for, from when on each may be executed; 0 = never."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A Safe at one block. Code hashes are of what stands at an address, empty code's included."""

    address: Address
    height: int
    block_hash: bytes
    block_time: int
    balance_wei: int
    code_hash: bytes
    version: str
    singleton: Address
    owners: tuple[Address, ...]
    """In the Safe's own order: a removal names the owner before."""
    threshold: int
    nonce: int
    guard: Address
    module_guard: Address
    handler: Address
    modules: tuple[Address, ...]
    code_hashes: Mapping[Address, bytes]
    """Of singleton, guards, handler and modules."""
    contract_owners: tuple[Address, ...]
    """Owners that are contracts: they sign nothing that a custodian can check."""
    record: GuardRecord | None
    """None: no guard, or another than Strongroom's."""
    exit_id: int = 0
    exit_usable_from: int = 0
    """When the announced exit may end; 0 = none is announced."""

    @property
    def people_hash(self) -> bytes:
        """As the guard keeps it: keccak256(abi.encode(owners, threshold))."""
        owners = abi.array([abi.address(one) for one in self.owners])
        return keccak256(abi.arguments(owners, abi.uint(self.threshold)))


@dataclass(frozen=True, slots=True)
class Questions:
    """What to ask the guard about, beyond what it says by itself."""

    tokens: frozenset[Address] = frozenset()
    destinations: frozenset[Address] = frozenset()
    changes: frozenset[bytes] = frozenset()


def examine(
    node: Node,
    safe: Address,
    *,
    exit_module: Address,
    block: Block = "finalized",
    questions: Questions = Questions(),
) -> Configuration:
    """Read the Safe. `exit_module`: the platform's. Raises NotASafe, ChainError."""
    header = node.header(block)
    asker = _Asker(node, header)
    core = _read_core(asker, safe)
    return _complete(asker, safe, header, core, exit_module, questions)


def moment(seconds: int) -> str:
    """A block time for people."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


class _Asker:
    """Batches at one block. An eth_call that reverts answers None."""

    def __init__(self, node: Node, header: Header) -> None:
        self._node = node
        self._at = block_parameter(header.hash)

    def calls(self, calls: Sequence[tuple[str, Address, bytes]]) -> list[bytes | None]:
        """("call" | "code" | "slot" | "balance", address, data or slot) each."""
        answers = self._node.ask_all([self._call(*one) for one in calls])
        return [self._read(one) for one in answers]

    def _call(self, kind: str, address: Address, data: bytes) -> Call:
        to = "0x" + address.hex()
        if kind == "call":
            return Call("eth_call", ({"to": to, "data": "0x" + data.hex()}, self._at))
        if kind == "slot":
            return Call("eth_getStorageAt", (to, "0x" + data.hex(), self._at))
        return Call("eth_getCode" if kind == "code" else "eth_getBalance", (to, self._at))

    @staticmethod
    def _read(answer: Any) -> bytes | None:
        if isinstance(answer, ChainError):
            if answer.retryable:
                raise answer
            return None
        text = read(answer, str)
        return octets(text if len(text) % 2 == 0 else "0x0" + text[2:])


def _read_core(asker: _Asker, safe: Address) -> dict[str, Any]:
    """Everything that the Safe itself says."""
    page = abi.call(
        "getModulesPaginated(address,uint256)", abi.address(SENTINEL), abi.uint(MODULES_READ)
    )
    code, balance, singleton, guard, module_guard, handler, *views = asker.calls(
        [
            ("code", safe, b""),
            ("balance", safe, b""),
            ("slot", safe, bytes(32)),
            ("slot", safe, GUARD_SLOT),
            ("slot", safe, MODULE_GUARD_SLOT),
            ("slot", safe, HANDLER_SLOT),
            *(
                ("call", safe, abi.selector(f"{name}()"))
                for name in ("getOwners", "getThreshold", "nonce", "VERSION")
            ),
            ("call", safe, page),
        ]
    )
    if not code or any(not one for one in views):
        raise NotASafe(
            f"{checksum(safe)} does not answer as a Safe does. Look whether the address and the "
            "chain of the node are the ones that you mean."
        )
    owners, threshold, nonce, version, modules = (one or b"" for one in views)
    return {
        "code_hash": keccak256(code),
        "balance_wei": _number(balance or b""),
        "singleton": _address(singleton or b""),
        "guard": _address(guard or b""),
        "module_guard": _address(module_guard or b""),
        "handler": _address(handler or b""),
        "owners": _addresses(owners, 0),
        "threshold": _number(threshold),
        "nonce": _number(nonce),
        "version": _text(version),
        "modules": _addresses(modules, 0),
    }


def _complete(
    asker: _Asker,
    safe: Address,
    header: Header,
    core: dict[str, Any],
    exit_module: Address,
    questions: Questions,
) -> Configuration:
    """The code behind every address, and what guard and exit say."""
    named = {core["singleton"], core["guard"], core["module_guard"], core["handler"], exit_module}
    places = sorted((named | set(core["modules"])) - {ZERO})
    owners, guard = core["owners"], core["guard"]
    asked = _guard_questions(safe, questions)
    exit_view = abi.call("announcementOf(address)", abi.address(safe))
    answers = asker.calls(
        [
            ("call", exit_module, exit_view),
            *(("code", place, b"") for place in (*places, *owners)),
            *(("call", guard, data) for data in asked.values() if guard != ZERO),
        ]
    )
    announcement, codes = answers[0] or bytes(64), answers[1 : 1 + len(places) + len(owners)]
    owner_codes = zip(owners, codes[len(places) :], strict=True)
    told = dict(zip(asked, answers[1 + len(codes) :], strict=False))
    return Configuration(
        address=safe,
        height=header.height,
        block_hash=header.hash,
        block_time=int(header.time.timestamp()),
        **core,
        code_hashes={
            place: keccak256(code or b"") for place, code in zip(places, codes, strict=False)
        },
        contract_owners=tuple(
            owner for owner, code in owner_codes if code and not code.startswith(DELEGATION)
        ),
        record=_guard_record(told, questions),
        exit_id=_number(announcement[:32]),
        exit_usable_from=_number(announcement[32:64]),
    )


def _guard_questions(safe: Address, questions: Questions) -> dict[object, bytes]:
    """What the guard is asked, by a key for the answer."""
    word = abi.address(safe)
    asked: dict[object, bytes] = {
        name: abi.call(f"{name}(address)", word)
        for name in ("vaultOf", "freezersOf", "frozenUntil", "exitFrozenUntil", "freezeCount")
    }
    asked |= {name: abi.selector(f"{name}()") for name in ("exitModule", "multiSendCallOnly")}
    for name, kind, values in (
        ("limitOf", "address", questions.tokens),
        ("usableFrom", "address", questions.destinations),
        ("changeUsableFrom", "bytes32", questions.changes),
    ):
        for value in sorted(values):
            data = abi.call(f"{name}(address,{kind})", word, value.rjust(32, b"\0"))
            asked[name, value] = data
    return asked


def _guard_record(told: Mapping[object, bytes | None], questions: Questions) -> GuardRecord | None:
    vault = told.get("vaultOf")
    if not vault or len(vault) != 4 * 32 or any(not answer for answer in told.values()):
        return None
    answers = {key: answer or b"" for key, answer in told.items()}
    limits = {
        token: Limit(*(_number(part) for part in (row[32:64], row[64:])))
        for token, row in _each(answers, "limitOf", questions.tokens)
        if _number(row[:32])
    }
    return GuardRecord(
        exit_module=_address(answers["exitModule"]),
        multi_send=_address(answers["multiSendCallOnly"]),
        permit_signer=_address(vault[:32]),
        policy_version=_number(vault[32:64]),
        singleton=_address(vault[64:96]),
        people_hash=vault[96:],
        freezers=_addresses(answers["freezersOf"], 0),
        frozen_until=_number(answers["frozenUntil"]),
        exit_frozen_until=_number(answers["exitFrozenUntil"]),
        freeze_count=_number(answers["freezeCount"]),
        limits=limits,
        destinations={
            Address(key): _number(row)
            for key, row in _each(answers, "usableFrom", questions.destinations)
        },
        changes={
            key: _number(row) for key, row in _each(answers, "changeUsableFrom", questions.changes)
        },
    )


def _each(
    answers: Mapping[object, bytes], name: str, values: Iterable[Any]
) -> list[tuple[Any, bytes]]:
    return [(value, answers[name, value]) for value in sorted(values)]


def _number(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _address(word: bytes) -> Address:
    return Address(word[-20:].rjust(20, b"\0"))


def _addresses(data: bytes, head: int) -> tuple[Address, ...]:
    """The address[] whose offset stands at `head`."""
    start = _number(data[head : head + 32])
    count = _number(data[start : start + 32])
    words = data[start + 32 : start + 32 + 32 * count]
    return tuple(_address(words[at : at + 32]) for at in range(0, len(words), 32))


def _text(data: bytes) -> str:
    size = _number(data[32:64])
    text = data[64 : 64 + min(size, VERSION_CHARACTERS)].decode("ascii", "replace")
    return "".join(sign if sign.isprintable() else "?" for sign in text)
