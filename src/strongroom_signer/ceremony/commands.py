"""`strongroom-signer ceremony …`: clear words for people, --json for scripts. Every act leaves a
line in the transcript. No secret is printed, unless an officer asks for a share by --show.
"""

from __future__ import annotations

import argparse
import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.encoding import from_decimal, from_hex, to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.signatures import Signature
from strongroom_signer.authority.epochs import next_epoch, open_next_epoch
from strongroom_signer.ceremony import terminal
from strongroom_signer.ceremony.establish import Founding, both_tokens, establish
from strongroom_signer.ceremony.keks import check_value
from strongroom_signer.ceremony.permits import rotate_permit
from strongroom_signer.ceremony.terminal import say
from strongroom_signer.clock import SystemClock
from strongroom_signer.errors import Refused, Unfit
from strongroom_signer.journal.store import current_epoch
from strongroom_signer.memory import harden_process
from strongroom_signer.sealed import KINDS, SealedConfig, load
from strongroom_signer.serve.start import open_house
from strongroom_signer.settings import Settings
from strongroom_signer.token.keyring import Keyring
from strongroom_signer.token.session import TokenSession
from strongroom_signer.transcript import FILE, acts_in, sign_off, statement, write_act

DAY_SECONDS = 86_400
DEFAULT_ORIGIN = "strongroom.local/log"
Note = Callable[[str, dict[str, Any]], None]
Act = Callable[[argparse.Namespace, Settings, Note], dict[str, Any]]


def add_parser(commands: Any) -> None:
    """Register `ceremony` and its verbs."""
    ceremony = commands.add_parser("ceremony", help="make keys, seed and address pools")
    verbs = ceremony.add_subparsers(dest="verb", required=True)
    init = verbs.add_parser("init", help="tokens, keys, KEK, sealed configuration")
    init.add_argument("--officer", action="append", help="custody officer's address")
    init.add_argument("--officer-quorum", type=int, default=2)
    init.add_argument("--screener-key", help="Ed25519 public key, 64 hex digits")
    init.add_argument("--origin", default=DEFAULT_ORIGIN, help="name of the log")
    init.add_argument("--cooling-seconds", type=int, default=DAY_SECONDS)
    init.add_argument("--loosening-seconds", type=int, default=DAY_SECONDS)
    init.add_argument("--kind", choices=KINDS, default="online", help="cold: never on a network")
    _add_seed_verbs(verbs)
    sign_off = verbs.add_parser("sign-off", help="officers sign the transcript's head")
    sign_off.add_argument("--officer-signature", action="append", default=[])
    epoch = verbs.add_parser("epoch", help="go on from an older journal, if the officers sign")
    epoch.add_argument(
        "--nonce", action="append", required=True, metavar="0xADDRESS=N",
        help="the next nonce, as the chain has it, of the relay and of every spending key",
    )  # fmt: skip
    epoch.add_argument("--officer-signature", action="append", default=[])
    for verb in verbs.choices.values():
        verb.add_argument("--json", action="store_true", help="print JSON for scripts")


def _add_seed_verbs(verbs: Any) -> None:
    new = verbs.add_parser("new", help="seal a new seed in the vault token; make its shares")
    new.add_argument("--dice", action="store_true", help="type rolls that are mixed in")
    new.add_argument("--shares", action="append", metavar="2of3", help="a group of SLIP-39 shares")
    new.add_argument("--groups", type=int, help="how many groups are needed (all)")
    new.add_argument("--shares-dir", type=Path, help="write each share to a file of its own")
    new.add_argument("--show", action="store_true", help="show shares, one officer at a time")
    for name, words in (("account", "derive and wrap an account's keys"), ("refill", "add more")):
        account = verbs.add_parser(name, help=words)
        account.add_argument("--index", type=int, required=True)
        account.add_argument("--count", type=int, required=True, help="deposit addresses in all")
        account.add_argument("--spending", type=int, default=0, help="spending keys in all")
        account.add_argument("--out", type=Path, required=True)
    verbs.add_parser("rotate-permit", help="the next permit key, for new and changed vaults")
    verbs.add_parser("rotate-kek", help="wrap all keys under a new KEK, destroy the old one")
    restore = verbs.add_parser("restore", help="the seed back into a new vault token")
    drill = verbs.add_parser("drill", help="try in scratch tokens whether the shares suffice")
    drill.add_argument("--leaves", type=int, default=200, help="how many random keys")
    drill.add_argument("--manifest", type=Path, action="append", default=[])
    for verb in (restore, drill):
        verb.add_argument("--share-file", type=Path, action="append", help="else they are typed")
        verb.add_argument("--phrase", action="store_true", help="type a BIP-39 phrase instead")


def run(arguments: argparse.Namespace, settings: Settings) -> None:
    """Run one verb; already done is done. Raises Unfit."""
    for warning in harden_process():
        say(f"Warning: {warning}.")
    note = partial(write_act, settings.directory, SystemClock())
    try:
        with _alone(settings):
            answer = _verb(arguments.verb)(arguments, settings, note)
    except Refused as refusal:
        raise Unfit(refusal.message) from None
    except (EOFError, KeyboardInterrupt):
        raise Unfit("the ceremony was left; what was done so far stands, run it again") from None
    if arguments.json:
        print(json.dumps(answer, sort_keys=True))


def _verb(name: str) -> Act:
    own: dict[str, Act] = {"init": _init, "epoch": _epoch, "sign-off": _sign_off}
    own |= {"rotate-permit": rotate_permit}
    if name in own:
        return own[name]
    # Loaded for these alone, so that the running signer holds no code that derives keys.
    from strongroom_signer.ceremony import acts, drill  # noqa: PLC0415

    seed: dict[str, Act] = {"new": acts.new, "account": acts.account, "refill": acts.account}
    seed |= {"restore": acts.restore, "rotate-kek": acts.rotate_kek, "drill": drill.drill}
    return seed[name]


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One ceremony at a time in this folder."""
    settings.make_directory()
    with (settings.directory / "ceremony.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unfit("another ceremony is under way on this signer") from None
        acts_in(settings.directory)  # A changed transcript stops it before anything is done.
        yield


def _init(arguments: argparse.Namespace, settings: Settings, note: Note) -> dict[str, Any]:
    _ask_what_is_missing(arguments)
    try:
        founding = Founding(
            officers=tuple(parse_address(officer) for officer in arguments.officer),
            officer_quorum=arguments.officer_quorum,
            screener_key=bytes.fromhex(arguments.screener_key.removeprefix("0x")),
            origin=arguments.origin,
            cooling_seconds=arguments.cooling_seconds,
            loosening_seconds=arguments.loosening_seconds,
            kind=arguments.kind,
        )
    except (ProtocolError, ValueError) as error:
        raise Unfit(f"the ceremony was called with a wrong value: {error}") from None
    config = establish(settings, founding, say)
    say("Read these aloud and compare them with what the other officers see:")
    say(f"  permit key {checksum(config.keys.permit)}")
    say(f"  relay key  {checksum(config.keys.relay)}")
    say(f"  attest key {checksum(config.keys.attest)}")
    say(f"  orders key {checksum(config.keys.orders)}")
    say(f"  log key    {config.keys.log.hex()}  ({config.origin})")
    facts = public_facts(config, current_epoch(settings.directory / "journal.sqlite"))
    with both_tokens(settings) as tokens:
        note("init", {**facts, "kek_check_value": check_value(tokens)})
    return facts


def public_facts(config: SealedConfig, epoch: int) -> dict[str, Any]:
    """What others need to know of this signer; nothing of it is secret."""
    return {
        "chain_id": config.chain_id,
        "kind": config.kind,
        "keys": {
            "permit": checksum(config.keys.permit),
            "relay": checksum(config.keys.relay),
            "attest": checksum(config.keys.attest),
            "orders": checksum(config.keys.orders),
        },
        "log": {"origin": config.origin, "public_key": to_hex(config.keys.log)},
        "epoch": epoch,
        "officers": [checksum(officer) for officer in config.officers],
        "officer_quorum": config.officer_quorum,
    }


def _ask_what_is_missing(arguments: argparse.Namespace) -> None:
    """Officers and the screener's key, from the person at the terminal. Raises Unfit."""
    if arguments.officer and arguments.screener_key:
        return
    if not terminal.is_there():
        raise Unfit("name the officers by --officer and the screener by --screener-key")
    if not arguments.officer:
        say("Custody officers sign manifests and epochs. Type their addresses, Enter to end.")
        arguments.officer = []
        while address := terminal.ask(f"Officer {len(arguments.officer) + 1}:"):
            try:
                parse_address(address)
                arguments.officer.append(address)
            except ProtocolError as error:
                say(f"{error}. Type it again.")
        quorum = terminal.ask(f"How many of the {len(arguments.officer)} must sign?")
        arguments.officer_quorum = int(quorum) if quorum.isdigit() else 0
    if not arguments.screener_key:
        arguments.screener_key = terminal.ask("Screener's public key ('strongroom screener key'):")
    if not terminal.confirm("The tokens are made for these officers, for good. Is that right?"):
        raise Unfit("nothing was made")


def _sign_off(arguments: argparse.Namespace, settings: Settings, _note: Note) -> dict[str, Any]:
    wanted = statement(settings.directory)
    if not arguments.officer_signature:
        say(f"The transcript has {wanted.lines} lines, head 0x{wanted.head.hex()}. Officers sign")
        say("the statement that --json prints (EIP-712); then give it --officer-signature.")
        return wanted.as_json(settings.chain_id)
    lock, pin = settings.token_lock, settings.signer_pin.read()
    token = TokenSession(settings.module, settings.signer_token, pin, lock)
    try:
        config = load(settings.directory / "config.json", Keyring(token))
        signatures = [_signature(text) for text in arguments.officer_signature]
        signed = sign_off(settings.directory, SystemClock(), config, signatures)
    except ProtocolError as error:
        raise Unfit(f"the transcript is not signed off: {error}") from None
    finally:
        token.close()
    say(f"Signed off up to line {signed.lines}. Put it into the audit log: strongroom custody")
    say(f"record {settings.directory / FILE}")
    return {"lines": signed.lines, "head": to_hex(signed.head)}


def _signature(text: str) -> Signature:
    return Signature.parse(from_hex(text, 65, field="officer-signature"))


def _nonces(texts: list[str]) -> dict[Address, int]:
    pairs = [text.partition("=") for text in texts]
    found = {parse_address(key): from_decimal(number, 53) for key, _, number in pairs}
    if len(found) != len(texts):
        raise Unfit("a key's next nonce may be named once only")
    return found


def _epoch(arguments: argparse.Namespace, settings: Settings, note: Note) -> dict[str, Any]:
    parts = open_house(settings, SystemClock(), begin=False)
    house = parts.house
    try:
        nonces = _nonces(arguments.nonce)
        if not arguments.officer_signature:
            say("Nothing was changed. Officers sign the statement that --json prints (EIP-712).")
            return next_epoch(house, nonces).as_json(house.config.chain_id)
        signatures = [_signature(text) for text in arguments.officer_signature]
        opened = open_next_epoch(house, nonces, signatures)
    except ProtocolError as error:
        raise Unfit(f"the epoch stays as it is: {error}") from None
    else:
        note("epoch", {"epoch": opened})
        say(f"Epoch {opened} is open. Every intent signed before it is void.")
        return {"epoch": opened}
    finally:
        house.journal.close()
        house.pool.close()
        parts.token.close()
