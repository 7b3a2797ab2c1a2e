"""`ceremony drill`: would the shares bring everything back? In scratch tokens in a folder of its
own: shares → seed → tokens → random keys of the key table, wrapped, unwrapped, signed. It needs no
PIN, opens none of the real tokens, and leaves nothing.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from strongroom_protocol import hd, merkle
from strongroom_protocol.addresses import Address, parse_address
from strongroom_protocol.canonical import parse_json
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.signatures import recover
from strongroom_signer.ceremony.account import wrapped
from strongroom_signer.ceremony.acts import Note, entropy_from
from strongroom_signer.ceremony.establish import POOL, Founding, both_tokens, establish
from strongroom_signer.ceremony.keks import Tokens
from strongroom_signer.ceremony.seed import opened_seed, seal_seed
from strongroom_signer.ceremony.terminal import say
from strongroom_signer.ceremony.words import account_of
from strongroom_signer.errors import Unfit
from strongroom_signer.pool import DEPOSIT, SPENDING, Pool
from strongroom_signer.settings import Settings
from strongroom_signer.token.keyring import Keyring
from strongroom_signer.token.pins import Pin

Place = tuple[int, int, int]


def drill(arguments: argparse.Namespace, settings: Settings, note: Note) -> dict[str, Any]:
    """Report of `--leaves` random keys. Raises Unfit at the first that is not what stands in the
    key table and in the manifests.
    """
    began = time.monotonic()
    listed = {place: one for path in arguments.manifest for place, one in _manifest(path).items()}
    table = _addresses(settings.directory / POOL)
    for place, address in listed.items():
        if table.get(place) != address:
            raise Unfit(f"the key table lacks {_path(place)} of the manifest, or has another")
    if not table:
        raise Unfit("the key table is empty: there is nothing to drill")
    places = secrets.SystemRandom().sample(sorted(table), min(arguments.leaves, len(table)))
    entropy = entropy_from(arguments)
    with _scratch(settings) as scratch:
        establish(scratch, _NOBODY, lambda _words: None)
        say("Scratch tokens are made; the seed goes into one of them.")
        with both_tokens(scratch) as tokens:
            seal_seed(tokens.vault, entropy)
            for done, place in enumerate(sorted(places), 1):
                _try(tokens, place, table[place])
                if done % 50 == 0:
                    say(f"{done} of {len(places)} keys signed for the right address.")
    seconds = round(time.monotonic() - began)
    branches = [place[1] for place in places]
    report = {
        "keys": len(places),
        "deposit": branches.count(DEPOSIT),
        "spending": branches.count(SPENDING),
        "accounts": len({place[0] for place in places}),
        "in_manifests": sum(place in listed for place in places),
        "seconds": seconds,
    }
    say(f"The drill passed: {len(places)} random keys signed, each for its address. {seconds} s.")
    note("drill", report)
    return report


_NOBODY = Founding(
    officers=(Address(b"\x01" * 20),),
    officer_quorum=1,
    screener_key=bytes(32),
    origin="strongroom.drill/log",
    cooling_seconds=0,
    loosening_seconds=0,
)


def _try(tokens: Tokens, place: Place, address: Address) -> None:
    account, branch, index = place
    with opened_seed(tokens.vault) as entropy:
        tree = account_of(bytes(entropy), account)
    leaf = next(wrapped(tokens, tree, branch, range(index, index + 1), say))
    digest = secrets.token_bytes(32)
    signature = Keyring(tokens.signer).leaf(leaf.address, leaf.wrapped, digest, leaf.kek)
    if leaf.address != address or recover(digest, signature) != address:
        raise Unfit(
            f"{_path(place)} leads to another address than the key table's: the drill failed"
        )


def _addresses(path: Path) -> dict[Place, Address]:
    """All keys of the table. No seal is checked here: the drill itself is the check."""
    if not path.exists():
        raise Unfit(f"{path} is missing")
    pool = Pool(path, bytes)
    try:
        return {
            (account, branch, index): address
            for branch in (DEPOSIT, SPENDING)
            for account, count in pool.accounts(branch).items()
            for index, address in enumerate(pool.addresses(account, count, branch))
        }
    finally:
        pool.close()


def _manifest(path: Path) -> dict[Place, Address]:
    """What the officers signed, root checked. Raises Unfit."""
    try:
        document = parse_json(path.read_bytes())
        account = document["account_index"]
        found = [parse_address(address) for address in document["addresses"]]
        leaves = [merkle.manifest_leaf(hd.path(account, i), one) for i, one in enumerate(found)]
        if document["root"] == to_hex(merkle.root(leaves)):
            return {(account, DEPOSIT, index): one for index, one in enumerate(found)}
    except (OSError, ProtocolError, KeyError, TypeError):
        pass
    raise Unfit(f"{path} is no manifest, or its addresses do not lead to its root")


@contextmanager
def _scratch(settings: Settings) -> Iterator[Settings]:
    """Settings of tokens in a folder that goes away. SoftHSM's own setting points there too; a
    module without such files must have free slots.
    """
    memory = Path("/dev/shm")  # noqa: S108  (the seed is in there: not on a disk, if possible)
    folder = Path(
        tempfile.mkdtemp(prefix="strongroom-drill-", dir=memory if memory.is_dir() else None)
    )
    before = os.environ.get("SOFTHSM2_CONF")
    try:
        (folder / "tokens").mkdir()
        conf = folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {folder}/tokens\n", encoding="utf-8")
        os.environ["SOFTHSM2_CONF"] = str(conf)
        yield replace(
            settings,
            directory=folder / "signer",
            signer_pin=Pin(files=(folder / "pin",)),
            vault_pin=Pin(files=(folder / "a", folder / "b")),
            signer_token="strongroom-drill-signer",
            vault_token="strongroom-drill-vault",
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop("SOFTHSM2_CONF")
        if before is not None:
            os.environ["SOFTHSM2_CONF"] = before


def _path(place: Place) -> str:
    account, branch, index = place
    return hd.path(account, index, branch)
