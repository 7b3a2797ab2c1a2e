"""A Safe transaction as anybody may send it: its people sign, and behind them stands its Permit."""

from collections.abc import Sequence

from strongroom_protocol.addresses import Address
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.safe import SafeTx, exec_calldata, pack_signatures, permit_tail
from strongroom_protocol.signatures import Signature
from tests.integration.agreement.firm import Body, Firm


def execution(
    firm: Firm, safe_tx: SafeTx, signed: Sequence[tuple[Address, str]], answer: Body
) -> tuple[Address, bytes]:
    """Where to and what: a Safe transaction with its people's signatures and its Permit."""
    people = [(address, parsed(text)) for address, text in signed]
    packed = pack_signatures(people[: firm.parsed.vault.threshold])
    permit = parsed(answer["permit_signature"])
    tail = permit_tail(answer["policy_version"], answer["valid_until"], permit)
    return firm.vault, exec_calldata(safe_tx, packed + tail)


def parsed(signature: str) -> Signature:
    """From its 65 bytes in hex."""
    return Signature.parse(from_hex(signature))
