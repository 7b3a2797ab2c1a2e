"""`checkpoint`: the audit log's signed note (C2SP), by the Ed25519 key in the token.
From the last signed tree to this one there must be a consistency proof: false rows can be added
by whoever owns the database, but nothing can be rewritten or forked. The note carries the head of
the signer's own journal.
"""

from __future__ import annotations

from typing import Any

from strongroom_protocol import merkle
from strongroom_protocol.checkpoint import Checkpoint, signed_note
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_signer.errors import require
from strongroom_signer.house import House, Once, Plan

PROOF_MAX = 128


def checkpoint(house: House, body: dict[str, Any], _trace: str) -> Once:
    """{size, root, consistency_proof} → {note}."""
    members = Members(body, "body", {"size", "root", "consistency_proof"})
    size, root = members.integer("size"), members.hash32("root")
    proof = members.list("consistency_proof", _node, maximum=PROOF_MAX)
    request_id = keccak256(b"checkpoint" + size.to_bytes(8, "big"))

    def prepare() -> Plan:
        _check_grown(house, size, root, proof)
        house.journal.add("checkpoint", size, root, request_id)
        line = f"journal {house.journal.epoch} {house.journal.size} {house.journal.head.hex()}"
        return {"size": size, "root": to_hex(root), "journal": line}

    def sign(plan: Plan) -> Plan:
        note = Checkpoint(house.config.origin, size, root, (plan["journal"],))
        signature = house.keyring.log(note.text())
        return {"note": signed_note(note, house.config.keys.log, signature)}

    return Once("checkpoint", request_id, root, prepare, sign, lambda: None)


def _check_grown(house: House, size: int, root: bytes, proof: tuple[bytes, ...]) -> None:
    row = house.journal.one("SELECT size, root FROM checkpoint ORDER BY size DESC LIMIT 1")
    if row is None or row[0] == 0:
        return
    last_size, last_root = int(row[0]), bytes(row[1])
    require(
        size > last_size,
        "log_shrunk",
        f"the log had {last_size} records when it was last signed; {size} is a rewound log",
    )
    merkle.verify_consistency(last_size, last_root, size, root, proof)


def _node(value: object, path: str) -> bytes:
    return from_hex(value, 32, field=path)
