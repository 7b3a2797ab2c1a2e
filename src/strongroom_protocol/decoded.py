"""What a person is shown of bytes that are to be signed: lines, cautions, the three digests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from strongroom_protocol.addresses import Address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.safe import Call

LineKind = Literal["payment", "rejection", "batch", "vault_change", "announcement", "cancellation"]


class DecodingRefused(ProtocolError):
    """Bytes that can't be put into plain words completely: nobody should sign them."""

    code = "decoder.refused"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happens when the bytes are executed.

    `call`: the Solidity function, empty for a plain transfer of the native coin, and its
    `arguments` as text; `to`: the contract that is called. A payment has `recipient`, `token`
    (None = native) and `units` in the token's smallest unit; `value` is that in money, where a
    fresh rate is known. `nested`: what a batch does, or what an announcement announces.
    """

    kind: LineKind
    text: str
    call: str
    to: Address
    arguments: tuple[str, ...] = ()
    token: Address | None = None
    recipient: Address | None = None
    units: int | None = None
    value: str | None = None
    nested: tuple["Line", ...] = ()


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to look at before signing; `code` is stable, `text` a sentence."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """Everything that a signer sees. The digests are EIP-712's: of the domain, of the message, and
    the 32 bytes that are signed (for a Safe transaction its hash). Devices show the same three.
    """

    kind: LineKind
    lines: tuple[Line, ...]
    cautions: tuple[Caution, ...]
    domain_hash: bytes
    message_hash: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """The organisation's vault, the guard that stands on it now, and MultiSendCallOnly."""

    vault: Address
    guard: Address
    multi_send: Address


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the bytes. It adds cautions and a value in money; it clears nothing.

    `paid`: who was paid before, at finality. `usable_from`: Unix seconds from which on the vault's
    guard lets an address be paid, 0 = never. `owners`, `threshold`: of the vault on chain.
    `announced`: the calls whose hash may have been announced. `value_of`: asset code and units →
    text such as 1,250.00 USD.
    """

    now: int
    paid: frozenset[Address] = frozenset()
    usable_from: Mapping[Address, int] | None = None
    owners: tuple[Address, ...] | None = None
    threshold: int | None = None
    announced: tuple[Call, ...] = ()
    value_of: Callable[[str, int], str | None] | None = None
