"""Export bundles built from nothing, by the book of FORMAT.md and without the service's code."""

import base64
import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rlp
import rlp.sedes
import sha3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trie.hexary import HexaryTrie

ORIGIN = "strongroom.test/log"
ORGANISATION = "0198c000-0000-7000-8000-000000000001"
STRANGER = "0198c000-0000-7000-8000-000000000002"
EXPORT = "0198c000-0000-7000-8000-00000000000e"
CHAIN_ID = 31337
TOKEN, PAYER, DEPOSIT, VAULT = (bytes([number]) * 20 for number in (0x70, 0xAA, 0xDD, 0xEE))
TRANSFER = sha3.keccak_256(b"Transfer(address,address,uint256)").digest()
ORDER = (
    "manifest.json",
    "checkpoint.txt",
    "records.jsonl",
    "rows.jsonl",
    "blocks.jsonl",
    "receipts.jsonl",
)
Lines = list[dict[str, Any]]


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def keccak(raw: bytes) -> bytes:
    return bytes(sha3.keccak_256(raw).digest())


def hexed(raw: bytes) -> str:
    return "0x" + raw.hex()


def leaf(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry)


def tree_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    cut = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\x01" + tree_root(leaves[:cut]) + tree_root(leaves[cut:]))


def tree_proof(leaves: list[bytes], at: int) -> list[str]:
    if len(leaves) == 1:
        return []
    cut = 1 << ((len(leaves) - 1).bit_length() - 1)
    if at < cut:
        return [*tree_proof(leaves[:cut], at), hexed(tree_root(leaves[cut:]))]
    return [*tree_proof(leaves[cut:], at - cut), hexed(tree_root(leaves[:cut]))]


def integer(value: int) -> bytes:
    return bytes(rlp.encode(value, sedes=rlp.sedes.big_endian_int))


def log(token: bytes, sender: bytes, recipient: bytes, units: int) -> list[Any]:
    topics = [TRANSFER, bytes(12) + sender, bytes(12) + recipient]
    return [token, topics, units.to_bytes(32, "big")]


def receipt(logs: list[Any], *, status: int = 1) -> bytes:
    return b"\x02" + bytes(rlp.encode([integer(status)[:0] or status, 21000, bytes(256), logs]))


def transaction(to: bytes, value: int, nonce: int) -> bytes:
    fields = [CHAIN_ID, nonce, 1, 10**9, 21000, to, value, b"", [], 0, 12345, 67890]
    return b"\x02" + bytes(rlp.encode(fields))


@dataclass
class Block:
    """Transactions and receipts of one block, and what they prove."""

    height: int
    transactions: list[bytes]
    receipts: list[bytes]
    header: bytes = b""
    hash: bytes = b""
    _tries: tuple[HexaryTrie, ...] = ()

    def __post_init__(self) -> None:
        tries = []
        for values in (self.transactions, self.receipts):
            made = HexaryTrie({})
            for at, value in enumerate(values):
                made[integer(at)] = value
            tries.append(made)
        self._tries = tuple(tries)
        roots = [made.root_hash for made in tries]
        fields = [bytes(32), bytes(32), bytes(20), bytes(32), *roots, bytes(256), 0, self.height]
        fields += [30_000_000, 42_000, 1_760_000_000 + self.height, b"", bytes(32), bytes(8), 7]
        self.header = bytes(rlp.encode(fields))
        self.hash = keccak(self.header)

    def line(self) -> dict[str, Any]:
        return {
            "chain_id": CHAIN_ID,
            "height": self.height,
            "block_hash": hexed(self.hash),
            "header": hexed(self.header),
        }

    def receipt_line(self, at: int, *, with_transaction: bool = True) -> dict[str, Any]:
        proofs = [
            [hexed(bytes(rlp.encode(node))) for node in made.get_proof(integer(at))]
            for made in self._tries
        ]
        return {
            "chain_id": CHAIN_ID,
            "block_hash": hexed(self.hash),
            "tx": hexed(keccak(self.transactions[at])),
            "tx_index": at,
            "receipt_proof": proofs[1],
            "tx_proof": proofs[0] if with_transaction else None,
        }


def posting(*legs: tuple[str, str, str, int], **more: Any) -> dict[str, Any]:
    """A posting's row; a leg is (debit, credit, asset, units)."""
    return {
        "type": "posting",
        "key": "k",
        "kind": "deposit",
        "phase": "single",
        "refers_to": None,
        "legs": [
            {"debit": debit, "credit": credit, "asset": asset, "units": str(units)}
            for debit, credit, asset, units in legs
        ],
        "chain": None,
        "memo": {},
        **more,
    }


def moved(
    block: Block, at: int, kind: str, position: int, ends: tuple[bytes, bytes]
) -> dict[str, Any]:
    """The `chain` and `memo` of a posting for a transfer in this block, ends = (from, to)."""
    return {
        "chain": {
            "chain_id": CHAIN_ID,
            "height": block.height,
            "block_hash": hexed(block.hash),
        },
        "memo": {
            "tx": hexed(keccak(block.transactions[at])),
            "position": str(position),
            "kind": kind,
            "token": hexed(TOKEN) if kind == "erc20" else "",
            "from": hexed(ends[0]),
            "to": hexed(ends[1]),
        },
    }


def custody(address: bytes) -> str:
    return f"custody:{CHAIN_ID}:{hexed(address)}"


@dataclass
class Draft:
    """What a bundle will hold: change it, then `seal`."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    blocks: list[Block] = field(default_factory=list)
    receipts: Lines = field(default_factory=list)
    records: list[tuple[str, str, list[dict[str, Any]]]] = field(default_factory=list)
    "(action, subject, rows) up to and including the record that asks for the export."
    later: list[tuple[str, str, list[dict[str, Any]]]] = field(default_factory=list)
    cut: int | None = None
    sums: dict[str, int] | None = None
    times: dict[int, tuple[str, str]] = field(default_factory=dict)
    "Record → (at, sequenced_at), where they are not the usual ones."
    places: dict[int, int] = field(default_factory=dict)
    "Record → the organisation's index that a lying sequencer gave it."

    @property
    def log_key(self) -> bytes:
        return self.key.public_key().public_bytes_raw()


def first_day() -> Draft:
    """A token and a native deposit, their release, a sweep, and a record after the cut."""
    payment = transaction(DEPOSIT, 10**18, 0)
    token_payment = transaction(TOKEN, 0, 1)
    noise = receipt([log(TOKEN, VAULT, PAYER, 1)])
    one = Block(
        7,
        [transaction(PAYER, 5, 9), payment, token_payment],
        [noise, receipt([]), receipt([log(TOKEN, PAYER, DEPOSIT, 250_000_000)])],
    )
    two = Block(9, [transaction(VAULT, 0, 2)], [receipt([log(TOKEN, DEPOSIT, VAULT, 250_000_000)])])
    suspense, client = "suspense:unscreened", "client:treasury"
    booked = [
        posting((custody(DEPOSIT), suspense, "ETH/18", 10**18))
        | moved(one, 1, "native", -1, (PAYER, DEPOSIT)),
        posting((custody(DEPOSIT), suspense, "TUSD/6", 250_000_000))
        | moved(one, 2, "erc20", 1, (PAYER, DEPOSIT)),
    ]
    released = [
        posting((suspense, client, "ETH/18", 10**18)),
        posting((suspense, client, "TUSD/6", 250_000_000), (client, "house:fees", "TUSD/6", 1)),
        posting((client, "house:fees", "TUSD/6", 2), phase="hold"),
    ]
    swept = [
        posting((custody(VAULT), custody(DEPOSIT), "TUSD/6", 250_000_000))
        | moved(two, 0, "erc20", 0, (DEPOSIT, VAULT)),
        posting((custody(VAULT), custody(DEPOSIT), "ETH/18", 10**18))
        | moved(two, 0, "internal", -2, (DEPOSIT, VAULT)),
    ]
    return Draft(
        blocks=[one, two],
        receipts=[one.receipt_line(1), one.receipt_line(2), two.receipt_line(0)],
        records=[
            ("identity.organisation_made", "Müller & Söhne \u20ac", []),
            ("indexer.block", "7", booked),
            ("deposits.settled", "d", released),
            ("indexer.block", "9", swept),
            ("exports.requested", EXPORT, []),
        ],
        later=[("ledger.transfer", "x", [posting((client, "client:other", "EUR/2", 100))])],
    )


def rows_of(draft: Draft) -> Lines:
    lines: Lines = []
    for number, (_, _, rows) in enumerate(draft.records):
        leaves = [leaf(canonical(row)) for row in rows]
        for position, row in enumerate(rows):
            proof = tree_proof(leaves, position)
            place = {"record": number, "position": position, "count": len(rows)}
            lines.append(place | {"proof": proof, "row": row})
    return lines


def jsonl(lines: Lines) -> bytes:
    return b"".join(canonical(line) + b"\n" for line in lines)


def manifest_of(draft: Draft, files: dict[str, bytes]) -> dict[str, Any]:
    sums: dict[str, int] = {}
    for _, _, rows in draft.records:
        for row in rows:
            for leg in row["legs"]:
                sums[leg["asset"]] = sums.get(leg["asset"], 0) + int(leg["units"])
    return {
        "type": "strongroom.export/1",
        "export": EXPORT,
        "organisation": ORGANISATION,
        "created_at": "2026-11-22T09:00:30Z",
        "software": "strongroom 0.1.0",
        "cut": len(draft.records) - 1 if draft.cut is None else draft.cut,
        "log": {"origin": ORIGIN},
        "files": {
            name: {"sha256": hexed(sha256(raw)), "lines": raw.count(b"\n")}
            for name, raw in files.items()
        },
        "sums": {asset: str(units) for asset, units in (draft.sums or sums).items()},
        "tokens": {"TUSD/6": hexed(TOKEN)},
        "lists": [{"name": "ofac-eth", "version": 1, "sha256": hexed(bytes(32))}],
    }


def record_of(number: int, action: str, subject: str, body: Any, rows: Lines) -> dict[str, Any]:
    root = hexed(tree_root([leaf(canonical(row)) for row in rows])) if rows else None
    return {
        "type": "strongroom.record/1",
        "organisation": ORGANISATION,
        "actor": {"kind": "system", "id": "worker", "version": 1},
        "request_id": f"r{number}",
        "at": f"2026-11-22T09:00:{number:02d}.000000Z",
        "action": action,
        "subject": subject,
        "body": body,
        "rows_root": root,
    }


def leaf_of(index: int, number: int, record: dict[str, Any]) -> dict[str, Any]:
    return {
        "index": index,
        "organisation": record["organisation"],
        "organisation_index": number,
        "record_hash": hexed(sha256(canonical(record))),
        "sequenced_at": f"2026-11-22T09:00:{number:02d}.100000Z",
    }


def note(key: Ed25519PrivateKey, size: int, root: bytes, origin: str = ORIGIN) -> bytes:
    # The signer adds a line of its own: the head of its journal.
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\njournal 1 7 00ff\n".encode()
    public = key.public_key().public_bytes_raw()
    named = sha256(origin.encode() + b"\n\x01" + public)[:4]
    stamp = base64.b64encode(named + key.sign(text)).decode()
    return text + f"\n\u2014 {origin} {stamp}\n".encode()


def seal(draft: Draft, **replaced: bytes) -> dict[str, bytes]:
    """The bundle's files. `replaced` (rows=, blocks=, receipts=) is sealed instead of the draft's:
    what an insider could do who may write files and log records, but not sign checkpoints.
    """
    files = {
        "rows.jsonl": replaced.get("rows", jsonl(rows_of(draft))),
        "blocks.jsonl": replaced.get("blocks", jsonl([block.line() for block in draft.blocks])),
        "receipts.jsonl": replaced.get("receipts", jsonl(draft.receipts)),
    }
    manifest = canonical(manifest_of(draft, files))
    plan: list[tuple[str, str, Any, Lines]] = [
        (action, subject, {}, rows) for action, subject, rows in draft.records + draft.later
    ]
    plan.append(("exports.built", EXPORT, {"manifest_sha256": hexed(sha256(manifest))}, []))
    entries: list[tuple[dict[str, Any], dict[str, Any]]] = []
    leaves: list[bytes] = []
    for number, (action, subject, body, rows) in enumerate(plan):
        leaves += [leaf(f"a stranger's record {number}".encode())] * (number % 3)
        record = record_of(number, action, subject, body, rows)
        described = leaf_of(len(leaves), number, record)
        if number in draft.times:
            record["at"], described["sequenced_at"] = draft.times[number]
            described["record_hash"] = hexed(sha256(canonical(record)))
        described["organisation_index"] = draft.places.get(number, number)
        leaves.append(leaf(canonical(described)))
        entries.append((described, record))
    leaves.append(leaf(b"one more after the export"))
    entries.sort(key=lambda entry: int(entry[0]["organisation_index"]))
    lines = [
        {"leaf": described, "record": record, "proof": tree_proof(leaves, described["index"])}
        for described, record in entries
    ]
    return {
        "manifest.json": manifest,
        "checkpoint.txt": note(draft.key, len(leaves), tree_root(leaves)),
        "records.jsonl": jsonl(lines),
        **files,
    }


def write(files: dict[str, bytes], path: Path, *, order: tuple[str, ...] = ORDER) -> Path:
    """The container, by the standard library's own writer."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in order:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o600 << 16
            archive.writestr(info, files[name])
    return path
