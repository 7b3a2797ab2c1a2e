"""`strongroom-signer ceremony init | new | account`: clear words for people, --json for scripts.
No secret is ever printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.encoding import from_decimal, from_hex, to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.signatures import Signature
from strongroom_signer.authority.epochs import next_epoch, open_next_epoch
from strongroom_signer.ceremony.establish import Founding, both_tokens, establish, opened_pool
from strongroom_signer.ceremony.seed import seal_new_seed
from strongroom_signer.clock import SystemClock
from strongroom_signer.errors import Refused, Unfit
from strongroom_signer.journal.store import current_epoch
from strongroom_signer.memory import harden_process
from strongroom_signer.sealed import KINDS, SealedConfig
from strongroom_signer.serve.start import open_house
from strongroom_signer.settings import Settings

DAY_SECONDS = 86_400
DEFAULT_ORIGIN = "strongroom.local/log"


def add_parser(commands: Any) -> None:
    """Register `ceremony` and its three verbs."""
    ceremony = commands.add_parser("ceremony", help="make keys, seed and address pools")
    verbs = ceremony.add_subparsers(dest="verb", required=True)
    init = verbs.add_parser("init", help="tokens, keys, KEK, sealed configuration")
    init.add_argument("--officer", action="append", required=True, help="custody officer's address")
    init.add_argument("--officer-quorum", type=int, default=2)
    init.add_argument("--screener-key", required=True, help="Ed25519 public key, 64 hex digits")
    init.add_argument("--origin", default=DEFAULT_ORIGIN, help="name of the log")
    init.add_argument("--cooling-seconds", type=int, default=DAY_SECONDS)
    init.add_argument("--loosening-seconds", type=int, default=DAY_SECONDS)
    init.add_argument("--kind", choices=KINDS, default="online", help="cold: never on a network")
    new = verbs.add_parser("new", help="seal a new seed in the vault token")
    account = verbs.add_parser("account", help="derive and wrap one account's address pool")
    account.add_argument("--index", type=int, required=True)
    account.add_argument("--count", type=int, required=True, help="deposit addresses in all")
    account.add_argument("--spending", type=int, default=0, help="spending keys in all")
    account.add_argument("--out", type=Path, required=True)
    epoch = verbs.add_parser("epoch", help="go on from an older journal, if the officers sign")
    epoch.add_argument(
        "--nonce", action="append", required=True, metavar="0xADDRESS=N",
        help="the next nonce, as the chain has it, of the relay and of every spending key",
    )  # fmt: skip
    epoch.add_argument("--officer-signature", action="append", default=[])
    for verb in (init, new, account, epoch):
        verb.add_argument("--json", action="store_true", help="print JSON for scripts")


def run(arguments: argparse.Namespace, settings: Settings) -> None:
    """Run one verb; already done is done. Raises Unfit."""
    for warning in harden_process():
        say(f"Warning: {warning}.")
    try:
        if arguments.verb == "init":
            answer = _init(arguments, settings)
        elif arguments.verb == "new":
            answer = _new(settings)
        elif arguments.verb == "account":
            answer = _account(arguments, settings)
        else:
            answer = _epoch(arguments, settings)
    except Refused as refusal:
        raise Unfit(refusal.message) from None
    if arguments.json:
        print(json.dumps(answer, sort_keys=True))


def say(words: str) -> None:
    """To the person at the ceremony; standard output stays free for --json."""
    print(words, file=sys.stderr, flush=True)


def _init(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
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
    return public_facts(config, current_epoch(settings.directory / "journal.sqlite"))


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


def _new(settings: Settings) -> dict[str, Any]:
    with both_tokens(settings) as tokens:
        made = seal_new_seed(tokens.vault)
    say("A new seed is sealed in the vault token." if made else "The vault token has its seed.")
    return {"made": made}


def _account(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    # Loaded here alone, so that the running signer holds no code that derives keys from a seed.
    from strongroom_signer.ceremony.account import (  # noqa: PLC0415
        fill_account,
        write_manifest,
    )

    index, count, spending = arguments.index, arguments.count, arguments.spending
    with opened_pool(settings) as (tokens, pool):
        document = fill_account(tokens, pool, index, count, say, spending)
    write_manifest(arguments.out, document)
    say(f"Account {arguments.index}: {arguments.count} addresses, root {document['root']}.")
    for key in document.get("spending", []):
        say(f"  spending key {key['index']}: {key['address']}")
    say(f"Written to {arguments.out}. Custody officers sign root, count and xpub hash.")
    return document


def _nonces(texts: list[str]) -> dict[Address, int]:
    pairs = [text.partition("=") for text in texts]
    found = {parse_address(key): from_decimal(number, 53) for key, _, number in pairs}
    if len(found) != len(texts):
        raise Unfit("a key's next nonce may be named once only")
    return found


def _epoch(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    parts = open_house(settings, SystemClock(), begin=False)
    house = parts.house
    try:
        nonces = _nonces(arguments.nonce)
        if not arguments.officer_signature:
            say("Nothing was changed. Officers sign the statement that --json prints (EIP-712).")
            return next_epoch(house, nonces).as_json(house.config.chain_id)
        signatures = [
            Signature.parse(from_hex(text, 65, field="officer-signature"))
            for text in arguments.officer_signature
        ]
        opened = open_next_epoch(house, nonces, signatures)
    except ProtocolError as error:
        raise Unfit(f"the epoch stays as it is: {error}") from None
    else:
        say(f"Epoch {opened} is open. Every intent signed before it is void.")
        return {"epoch": opened}
    finally:
        house.journal.close()
        house.pool.close()
        parts.token.close()
