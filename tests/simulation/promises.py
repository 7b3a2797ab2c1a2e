"""What must hold after every seed. Each promise is a function that gives what breaks it, in words.

1 one payment per intent · 2 no nonce with two intents · 3 the books are what the chain holds, at
each final block · 4 every credited deposit is on the canonical chain, and every payment to us is
credited once · 5 the queue drains (draining.py) · 6 journal, audit chain and books are whole · 7
what stands on the chain is never taken back, and the cursor goes back only with a block that left.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import httpx
import rlp

from strongroom.auditlog import verification
from strongroom.db.actor import system
from strongroom.ledger import invariants
from strongroom.ledger import service as ledger
from strongroom_signer.journal.store import GENESIS_HASH
from tests.factories.house import ETH, TUSD
from tests.simulation.acts import Payment, Scene

BALANCE_OF = "0x70a08231"
BATCH = 200


def broken(scene: Scene) -> list[str]:
    """Everything that does not hold; a promise that can't be looked at is not kept."""
    scene.world.house.role("worker").engine.dispose()  # its sessions may have been ended
    found: list[str] = []
    for check in PROMISES:
        try:
            found += [f"{check.__name__}: {text}" for text in check(scene)]
        except Exception as error:  # noqa: BLE001 - the other promises are to be looked at, too
            found.append(f"{check.__name__}: {type(error).__name__}: {error}")
    return found


def one_payment_an_intent(scene: Scene) -> Iterator[str]:
    """The supplier got what is final, and nothing else; a payment has one transaction for ever."""
    rows = scene.world.rows(
        "SELECT asset, units, state FROM withdrawal WHERE id = ANY(%s)", scene.orders
    )
    wanted: Counter[str] = Counter()
    for asset, units, state in rows:
        wanted[asset] += int(units) if state == "finalized" else 0
    now = scene.supplier()
    for asset, before in scene.supplier_before.items():
        if now[asset] - before != wanted[asset]:
            yield f"{asset}: {now[asset] - before} were paid, {wanted[asset]} are final ({rows})"
    again = scene.world.rows(
        "SELECT o.purpose, count(*), array_agg(o.nonce) FROM outgoing AS o"
        " WHERE o.purpose IN ('hot_payment', 'vault_execution') AND NOT EXISTS"
        " (SELECT FROM withdrawal_permit AS p WHERE p.kind = 'rejection'"
        "  AND '0x' || encode(p.safe_tx_hash, 'hex') = o.payload->>'safe_tx_hash')"
        " GROUP BY o.purpose, coalesce(o.payload->>'safe_tx_hash', o.payload->>'intent')"
        " HAVING count(*) > 1"
    )
    for row in again:
        yield f"one payment has several transactions: {row}"


def one_intent_a_nonce(scene: Scene) -> Iterator[str]:
    """In the rows, in the signed bytes, and on the chain; and no nonce is left out."""
    twice = scene.world.rows(
        "SELECT sender, nonce, count(*) FROM outgoing WHERE nonce IS NOT NULL"
        " GROUP BY sender, nonce HAVING count(*) > 1"
    )
    for sender, nonce, count in twice:
        yield f"nonce {nonce} of {sender.hex()} has {count} intents"
    known: dict[str, tuple[bytes, int]] = {}
    attempts = scene.world.rows(
        "SELECT o.sender, o.nonce, a.raw, a.hash FROM outgoing_attempt AS a"
        " JOIN outgoing AS o ON o.id = a.outgoing_id WHERE a.raw IS NOT NULL"
    )
    for sender, nonce, raw, tx_hash in attempts:
        known["0x" + tx_hash.hex()] = (sender, nonce)
        if _nonce_of(raw) != nonce:
            yield f"{tx_hash.hex()} was signed with nonce {_nonce_of(raw)}, its row says {nonce}"
    keys = {"0x" + address.hex() for address in (_relay(scene), scene.world.hot)}
    for block in _blocks(scene):
        for sent in block["transactions"]:
            if sent["from"] in keys and sent["hash"] not in known:
                yield f"{sent['hash']} of our key {sent['from']} is mined and not ours"


def books_are_the_chain(scene: Scene) -> Iterator[str]:
    """Every custody account at every final block since the seed began; and nothing was frozen."""
    world, chain_id = scene.world, scene.world.chain.chain_id
    last = world.chain.height() - 2
    heights = range(scene.first_height, last + 1)
    tokens = {ETH: None, TUSD: world.house.dollar}
    addresses = world.ours()
    asked = [
        (height, name, address, asset, token)
        for height in heights
        for name, address in addresses.items()
        for asset, token in tokens.items()
    ]
    held = _balances(scene, [(address, token, height) for height, _, address, _, token in asked])
    books: dict[tuple[int, str, str], int] = {}
    with world.house.role("worker").read(None, system("simulation")) as uow:
        for height in heights:
            for total in ledger.custody_at(uow, chain_id, height):
                books[height, total.code, total.asset] = total.units
    for (height, name, address, asset, _), units in zip(asked, held, strict=True):
        code = f"custody:{chain_id}:0x{address.hex()}"
        booked = books.get((height, code, asset), 0)
        if booked != units:
            yield f"{name} at block {height}: {booked} {asset} in the books, {units} on the chain"
            return
    for row in world.rows("SELECT custody_code, asset, reason FROM custody_freeze"):
        yield f"frozen: {row}"


def deposits_are_on_the_chain(scene: Scene) -> Iterator[str]:
    """What is credited is there; what was paid is credited, once; nothing else is."""
    world = scene.world
    rows = world.rows(
        "SELECT tx_hash, block_hash, height, address, token, units, disposition, chain_state"
        " FROM deposit WHERE chain_state <> 'orphaned' AND height > %s",
        scene.first_height,
    )
    paid = Counter(_key(payment) for payment in _mined(scene))
    found: Counter[tuple[str, str, str, int]] = Counter()
    hashes = {int(block["number"], 16): block["hash"] for block in _blocks(scene)}
    for tx_hash, block_hash, height, address, token, units, disposition, _ in rows:
        contract = "" if token is None else "0x" + token.hex()
        key = ("0x" + tx_hash.hex(), address.hex(), contract, int(units))
        found[key] += 1
        if hashes.get(height) != "0x" + block_hash.hex():
            yield f"{disposition} deposit {key} stands in block {height} of another fork"
        wanted = "unknown_token" if contract == world.strange else "credited"
        if disposition != wanted:
            yield f"deposit {key} is {disposition}, not {wanted}"
    for key in paid - found:
        yield f"{key} was paid to us and is no deposit"
    for key in found - paid:
        yield f"{key} is a deposit that nobody paid"


def books_and_log_are_whole(scene: Scene) -> Iterator[str]:
    """The ledger's own invariants, and the audit log read again."""
    with scene.world.house.role("worker").read(None, system("simulation")) as uow:
        yield from invariants.broken(uow)
        yield from verification.broken(uow)


def what_stands_stays(scene: Scene) -> Iterator[str]:
    """No block of the chain was ever orphaned: a node that is behind is no other chain."""
    orphaned = scene.world.rows(
        "SELECT height, block_hash, orphaned_at FROM chain_block"
        " WHERE orphaned_at IS NOT NULL AND height > %s",
        scene.first_height,
    )
    hashes = {block["hash"] for block in _blocks(scene)}
    for height, block_hash, moment in orphaned:
        if "0x" + block_hash.hex() in hashes:
            yield f"block {height} was taken back at {moment}, and stands on the chain"


def the_cursor_goes_on(scene: Scene) -> Iterator[str]:
    """Back only in the unit of work that takes its block back; finality never."""
    moves = scene.world.rows(
        "SELECT m.from_height, m.to_height, m.from_final, m.to_final, EXISTS"
        " (SELECT FROM chain_block AS b WHERE b.block_hash = m.from_hash"
        "  AND b.orphaned_at = m.moved_at) FROM simulation_cursor AS m WHERE id > %s ORDER BY id",
        scene.first_move,
    )
    for from_height, to_height, from_final, to_final, left in moves:
        if to_final < from_final:
            yield f"finality went from block {from_final} back to {to_final}"
        if to_height < from_height and not left:
            yield f"the cursor went from {from_height} back to {to_height}; no block had left"


def journal_is_whole(scene: Scene) -> Iterator[str]:
    """Every receipt of the signer's journal has the hash of the one before, and none is missing."""
    place = scene.world.house.folder / "signer" / "journal.sqlite"
    with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as journal:
        rows = journal.execute("SELECT seq, body, previous, hash FROM receipt ORDER BY seq")
        head = GENESIS_HASH
        for wanted, (seq, body, previous, stored) in enumerate(rows, 1):
            digest = hashlib.sha256(head + body.encode()).digest()
            if (seq, previous, stored) != (wanted, head, digest):
                yield f"receipt {seq} of the signer's journal does not follow the one before"
                return
            head = digest


PROMISES: Sequence[Callable[[Scene], Iterator[str]]] = (
    one_payment_an_intent,
    one_intent_a_nonce,
    books_are_the_chain,
    deposits_are_on_the_chain,
    books_and_log_are_whole,
    what_stands_stays,
    the_cursor_goes_on,
    journal_is_whole,
)


def _key(payment: Payment) -> tuple[str, str, str, int]:
    token = "" if payment.token is None else payment.token.lower()
    return payment.hash, payment.to.hex(), token, payment.units


def _mined(scene: Scene) -> list[Payment]:
    """The outside's payments that stand on the chain now and really pay."""
    calls = [("eth_getTransactionReceipt", payment.hash) for payment in scene.payments]
    receipts = _ask(scene, calls)
    return [
        payment
        for payment, receipt in zip(scene.payments, receipts, strict=True)
        if payment.counts and receipt is not None and receipt["status"] == "0x1"
    ]


def _blocks(scene: Scene) -> list[Any]:
    heights = range(scene.first_height, scene.world.chain.height() + 1)
    return _ask(scene, [("eth_getBlockByNumber", hex(height), True) for height in heights])


def _balances(scene: Scene, asked: Sequence[tuple[bytes, str | None, int]]) -> list[int]:
    calls: list[tuple[Any, ...]] = []
    for address, token, height in asked:
        if token is None:
            calls.append(("eth_getBalance", "0x" + address.hex(), hex(height)))
        else:
            data = BALANCE_OF + address.rjust(32, b"\0").hex()
            calls.append(("eth_call", {"to": token, "data": data}, hex(height)))
    return [int(str(answer), 16) for answer in _ask(scene, calls)]


def _ask(scene: Scene, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Many calls at the chain itself, in batches."""
    answers: list[Any] = []
    for first in range(0, len(calls), BATCH):
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": call[0], "params": list(call[1:])}
            for number, call in enumerate(calls[first : first + BATCH])
        ]
        said = httpx.post(scene.world.chain.url, json=batch, trust_env=False, timeout=60).json()
        by_id = {one["id"]: one for one in said}
        for number, call in enumerate(batch):
            if "result" not in by_id[number]:
                raise LookupError(f"{call['method']}: {by_id[number]}")
            answers.append(by_id[number]["result"])
    return answers


def _nonce_of(raw: bytes) -> int:
    """Of an EIP-1559 or EIP-7702 transaction: the second field."""
    fields: Any = rlp.decode(raw[1:])
    return int.from_bytes(fields[1], "big")


def _relay(scene: Scene) -> bytes:
    return scene.world.ours()["relay"]
