"""The chain's side of a bundle: block headers, and receipts proven under their roots."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from strongroom_verify.canonical import parse
from strongroom_verify.errors import Malformed
from strongroom_verify.ethereum import (
    Header,
    Receipt,
    Transaction,
    read_header,
    read_receipt,
    read_transaction,
)
from strongroom_verify.fields import Fields
from strongroom_verify.findings import Findings
from strongroom_verify.patricia import value_at
from strongroom_verify.rlp import encode_integer

BlockKey = tuple[int, bytes]
TransactionKey = tuple[int, bytes, bytes]


@dataclass(frozen=True)
class Proven:
    """A receipt under its block's receipts root, and the transaction when that is proven too."""

    receipt: Receipt
    transaction: Transaction | None


@dataclass
class ChainProofs:
    """Headers by (chain, block hash); receipts by (chain, block hash, transaction hash)."""

    headers: dict[BlockKey, Header] = field(default_factory=dict)
    receipts: dict[TransactionKey, Proven] = field(default_factory=dict)


def read_proofs(
    blocks: Iterable[bytes], receipts: Iterable[bytes], findings: Findings
) -> ChainProofs:
    """Read both files. Broken JSON fails INTEGRITY, a proof that does not hold fails CHAIN."""
    proofs = ChainProofs()
    with findings.guard("INTEGRITY", "blocks.jsonl"):
        for number, line in enumerate(blocks, start=1):
            where = f"blocks.jsonl line {number}"
            with findings.guard("INTEGRITY", where):
                fields = Fields(parse(line), "chain_id height block_hash header")
                with findings.guard("CHAIN", where):
                    _add_header(fields, proofs)
    with findings.guard("INTEGRITY", "receipts.jsonl"):
        for number, line in enumerate(receipts, start=1):
            where = f"receipts.jsonl line {number}"
            with findings.guard("INTEGRITY", where):
                fields = Fields(
                    parse(line), "chain_id block_hash tx tx_index receipt_proof tx_proof"
                )
                with findings.guard("CHAIN", where):
                    _add_receipt(fields, proofs)
    return proofs


def _add_header(fields: Fields, proofs: ChainProofs) -> None:
    header = read_header(fields.hex("header"))
    if header.block_hash != fields.hex("block_hash", 32):
        raise Malformed("the header does not have the block hash that stands beside it")
    if header.height != fields.integer("height"):
        raise Malformed("the header is of another height")
    key = (fields.integer("chain_id"), header.block_hash)
    if key in proofs.headers:
        raise Malformed("the same block stands here twice")
    proofs.headers[key] = header


def _add_receipt(fields: Fields, proofs: ChainProofs) -> None:
    chain_id, block_hash = fields.integer("chain_id"), fields.hex("block_hash", 32)
    header = proofs.headers.get((chain_id, block_hash))
    if header is None:
        raise Malformed("the bundle has no header of this receipt's block")
    place = encode_integer(fields.integer("tx_index"))
    receipt = read_receipt(value_at(header.receipts_root, place, fields.hexes("receipt_proof")))
    transaction = None
    if fields.any("tx_proof") is not None:
        raw = value_at(header.transactions_root, place, fields.hexes("tx_proof"))
        transaction = read_transaction(raw)
        if transaction.hash != fields.hex("tx", 32):
            raise Malformed("the proven transaction has another hash than the one stated")
    key = (chain_id, block_hash, fields.hex("tx", 32))
    if key in proofs.receipts:
        raise Malformed("the same receipt stands here twice")
    proofs.receipts[key] = Proven(receipt, transaction)
