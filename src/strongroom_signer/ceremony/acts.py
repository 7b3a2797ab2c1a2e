"""The acts of a ceremony that meet the seed: new, account, refill, restore, rotate-kek. Loaded for
them alone, so that the running signer holds no code that derives keys from a seed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pkcs11 import ObjectClass

from strongroom_protocol.addresses import checksum
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.hd import child_address, xpub_hash
from strongroom_protocol.intents import CustodyManifest
from strongroom_signer.ceremony import keks, terminal, words
from strongroom_signer.ceremony.account import fill_account, wrapped, write_manifest
from strongroom_signer.ceremony.establish import both_tokens, make_tokens, opened_pool
from strongroom_signer.ceremony.keks import Tokens
from strongroom_signer.ceremony.seed import SEED, opened_seed, seal_new_seed, seal_seed
from strongroom_signer.ceremony.terminal import say
from strongroom_signer.crash import CrashPoints
from strongroom_signer.errors import Unfit
from strongroom_signer.pool import Leaf, Pool
from strongroom_signer.settings import Settings
from strongroom_signer.token import templates

Note = Callable[[str, dict[str, Any]], None]
Answer = dict[str, Any]
TYPED_SHARES_MAX = 40


def new(arguments: argparse.Namespace, settings: Settings, note: Note) -> Answer:
    """A new seed, sealed; then its shares, if they are wanted. An existing seed stays."""
    scheme = words.parse_scheme(arguments.shares, arguments.groups) if arguments.shares else None
    if scheme and not (arguments.shares_dir or (arguments.show and terminal.is_there())):
        raise Unfit(
            "say where the shares go: --shares-dir DIR, or --show at a terminal, one officer at "
            "a time; nothing was made"
        )
    with both_tokens(settings) as tokens:
        dice = ""
        if arguments.dice and not tokens.vault.data(SEED):
            dice = terminal.ask_secret("Roll a die 99 times, at least 50. Type the digits 1 to 6:")
        made = seal_new_seed(tokens.vault, dice)
        say("A new seed is sealed in the vault token." if made else "The vault token has its seed.")
        if made:
            note("new", {"dice": bool(dice)})
        if made and scheme is None and terminal.is_there() and not arguments.json:
            text = terminal.ask("Shares for the officers, like 2of3 (Enter: not now)?")
            scheme = words.parse_scheme([text], None) if text else None
        if scheme is None:
            return {"made": made}
        with opened_seed(tokens.vault) as entropy:
            shares = words.split(bytes(entropy), scheme)
        files = _give_out(shares, arguments.shares_dir)
        note("shares", {"scheme": str(scheme), "set": _name_of(shares), "files": bool(files)})
    say(f"Shares: {scheme}, set {_name_of(shares)}. Older sets of this seed still work.")
    return {"made": made, "shares": files}


def account(arguments: argparse.Namespace, settings: Settings, note: Note) -> Answer:
    """More keys of an account; the manifest that officers sign. `refill` needs keys before."""
    index, count, spending = arguments.index, arguments.count, arguments.spending
    with opened_pool(settings) as (tokens, pool):
        before = pool.accounts().get(index, 0)
        if arguments.verb == "refill" and not 0 < before < count:
            raise Unfit(f"account {index} has {before} addresses; a refill is for more than these")
        document = fill_account(tokens, pool, index, count, say, spending)
        chain_id = settings.chain_id
    write_manifest(arguments.out, document)
    root, hashed = from_hex(document["root"]), xpub_hash(document["xpub"])
    digest = CustodyManifest(index, root, count, hashed).digest(chain_id)
    say(f"Account {index}: {count} addresses ({max(count - before, 0)} of them new).")
    for key in document.get("spending", []):
        say(f"  spending key {key['index']}: {key['address']}")
    say(f"Written to {arguments.out}; keep it confidential. Custody officers sign, as EIP-712:")
    say(f"  CustodyManifest  account {index}, count {count}")
    say(f"  root             {document['root']}")
    say(f"  xpub hash        {document['xpub_hash']}")
    say(f"  digest           0x{digest.hex()}")
    facts = {name: document[name] for name in ("account_index", "count", "root", "xpub_hash")}
    note(arguments.verb, {**facts, "spending": document.get("spending", [])})
    return document


def restore(arguments: argparse.Namespace, settings: Settings, note: Note) -> Answer:
    """The seed back into a new vault token, after the old one was lost. It must be the seed that
    the key table was derived from; then every key is wrapped under a new KEK.
    """
    entropy = entropy_from(arguments)
    make_tokens(settings, say)
    with opened_pool(settings) as (tokens, pool):
        _check_same_seed(pool, entropy)
        if tokens.vault.find(ObjectClass.SECRET_KEY, templates.SEAL) is None:
            templates.make_seal_key(tokens.vault)
        seal_seed(tokens.vault, entropy)
        say("The seed is sealed in the vault token.")
        lost = not set(templates.keks(tokens.signer)) <= set(templates.keks(tokens.vault))
        facts = _rotate(tokens, pool, settings) if lost else {}
        accounts = pool.accounts()
    first = checksum(child_address(_xpub(entropy, 0), 0))
    say(f"Compare with what you know: the first address of account 0 is {first}.")
    facts |= {"accounts": len(accounts), "first": first}
    note("restore", facts)
    return facts


def rotate_kek(_arguments: argparse.Namespace, settings: Settings, note: Note) -> Answer:
    """A new KEK for all keys; the old one is destroyed."""
    with opened_pool(settings) as (tokens, pool):
        facts = _rotate(tokens, pool, settings)
    say(f"{facts['keys']} keys stand under KEK {facts['generation']} now.")
    note("rotate-kek", facts)
    return facts


def entropy_from(arguments: argparse.Namespace) -> bytes:
    """From share files, or typed unseen: shares until they are enough, or the BIP-39 phrase."""
    if arguments.phrase:
        return words.entropy_of(terminal.ask_secret("BIP-39 phrase (not shown while you type):"))
    if arguments.share_file:
        return words.combine([_read(path) for path in arguments.share_file])
    shares: list[str] = []
    for _ in range(TYPED_SHARES_MAX):
        typed = terminal.ask_secret(f"Share {len(shares) + 1} (not shown while you type):")
        try:
            if words.are_enough([*shares, typed]):
                return words.combine([*shares, typed])
        except Unfit as unfit:
            if not terminal.is_there():
                raise
            say(f"{unfit}. Type it again.")
            continue
        shares.append(typed)
        say(f"{len(shares)} shares fit together; more are needed.")
    raise Unfit("too many tries; nothing was changed")


def _rotate(tokens: Tokens, pool: Pool, settings: Settings) -> Answer:
    with opened_seed(tokens.vault) as entropy:
        _check_same_seed(pool, bytes(entropy))

        def derive(index: int, branch: int, indexes: range, generation: int) -> list[Leaf]:
            account = words.account_of(bytes(entropy), index)
            return list(wrapped(tokens, account, branch, indexes, lambda _words: None, generation))

        return keks.rotate(tokens, pool, derive, say, CrashPoints(settings.crash_at))


def _check_same_seed(pool: Pool, entropy: bytes) -> None:
    for index in pool.accounts():
        if pool.xpub(index) != _xpub(entropy, index):
            raise Unfit(
                f"this is another seed: it does not lead to account {index} of the key table; "
                "nothing was changed"
            )


def _xpub(entropy: bytes, index: int) -> str:
    return str(words.account_of(entropy, index).PublicKey().ToExtended())


def _give_out(shares: Sequence[Sequence[str]], folder: Path | None) -> list[str]:
    """One file a share that only its owner can read; or on the screen, one officer at a time."""
    places = [
        (group, number) for group, members in enumerate(shares) for number in range(len(members))
    ]
    if folder is None:
        for group, number in places:
            where = f"Group {group + 1}, share" if len(shares) > 1 else "Share"
            title = f"{where} {number + 1} of {len(shares[group])}"
            terminal.show_share(title, shares[group][number])
        return []
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = []
    for group, number in places:
        path = folder / f"{_name_of(shares)}-group{group + 1}-share{number + 1}.txt"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            handle.write(shares[group][number] + "\n")
        files.append(str(path))
    say(f"{len(files)} share files in {folder}: hand each to its officer, then remove them here.")
    return files


def _name_of(shares: Sequence[Sequence[str]]) -> str:
    """The first two words of a set are its number (SLIP-39), the same in all shares; no secret."""
    return "-".join(shares[0][0].split()[:2])


def _read(path: Path) -> str:
    try:
        return " ".join(path.read_text(encoding="ascii").split())
    except (OSError, UnicodeDecodeError):
        raise Unfit(f"the share file {path} cannot be read") from None
