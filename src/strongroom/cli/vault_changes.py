"""`strongroom vault changes …`: what the policy wants changed on chain, proposed and signed.

    list                what is pending, and the steps that are open
    propose NUMBER      make the next step of that change
    paper STEP          the typed data that owners sign, for any wallet
    sign STEP           hand in --signature, or sign with --key-file
    withdraw STEP       take it back, with --reason, while the signer was not asked

The relay sends a step by itself once enough owners have signed. Talks to the API with a token.
"""

import argparse
import json
import secrets
from pathlib import Path
from typing import Any

import httpx
from eth_account import Account

from strongroom.kit.errors import Invalid, Unavailable

TIMEOUT_SECONDS = 30.0


def run_changes(args: list[str]) -> int:
    """0 when it was done. Raises Invalid with the API's own words, Unavailable."""
    given = _parser().parse_args(args)
    headers = {"authorization": f"Bearer {given.token_file.read_text('utf-8').strip()}"}
    with httpx.Client(
        base_url=given.api, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
    ) as api:
        _COMMANDS[given.command](api, given)
    return 0


def _list(api: httpx.Client, _: argparse.Namespace) -> None:
    for number, one in enumerate(_ask(api, "/v1/vault/changes")["items"], start=1):
        phase = one["phase"] or f"cools until block time {one['usable_from']}"
        print(f"{number:>3}  {one['words']}  ({phase})")
    for step in _ask(api, "/v1/vault/steps")["items"]:
        signed = f"{len(step['signed_by'])} of {step['threshold']} signed"
        print(f"{step['id']}  {step['change']['kind']} {step['phase']}: {step['state']}, {signed}")


def _propose(api: httpx.Client, given: argparse.Namespace) -> None:
    waiting = _ask(api, "/v1/vault/changes")["items"]
    if not given.what.isdecimal() or not 1 <= int(given.what) <= len(waiting):
        raise Invalid(f"Give the number of a pending change, 1 to {len(waiting)}; see `list`.")
    change = waiting[int(given.what) - 1]["change"]
    print(_ask(api, "/v1/vault/steps", {"change": change})["id"])


def _paper(api: httpx.Client, given: argparse.Namespace) -> None:
    print(json.dumps(_typed(api, given), indent=2))


def _sign(api: httpx.Client, given: argparse.Namespace) -> None:
    signature = given.signature
    if given.key_file is not None:
        key = given.key_file.read_text("ascii").strip()
        made = Account.from_key(key).sign_typed_data(full_message=_typed(api, given))
        signature = "0x" + bytes(made.signature).hex()
    if signature is None:
        raise Invalid("Give --signature, or --key-file to sign with.")
    path = f"/v1/vault/steps/{given.what}/signatures"
    step = _ask(api, path, {"signature": signature})
    print(f"{step['state']}: {step['reason']}")


def _withdraw(api: httpx.Client, given: argparse.Namespace) -> None:
    path = f"/v1/vault/steps/{given.what}/withdrawal"
    print(_ask(api, path, {"reason": given.reason or "withdrawn by its proposer"})["state"])


def _typed(api: httpx.Client, given: argparse.Namespace) -> dict[str, Any]:
    typed = _ask(api, f"/v1/vault/steps/{given.what}")["typed_data"]
    if typed is None:
        raise Invalid("Nothing is signed for this step now.")
    return dict(typed)


def _ask(api: httpx.Client, path: str, body: dict[str, Any] | None = None) -> Any:
    try:
        if body is None:
            answer = api.get(path)
        else:
            key = {"idempotency-key": secrets.token_hex(16)}
            answer = api.post(path, json=body, headers=key)
    except httpx.HTTPError as error:
        raise Unavailable(f"The API does not answer ({type(error).__name__}).") from error
    if answer.is_success:
        return answer.json()
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    raise Invalid(str(problem.get("detail") or f"The API answered {answer.status_code}."))


_COMMANDS = {
    "list": _list,
    "propose": _propose,
    "paper": _paper,
    "sign": _sign,
    "withdraw": _withdraw,
}


def _parser() -> argparse.ArgumentParser:
    head, _, tail = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="strongroom vault changes",
        description=head,
        epilog=tail,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("command", choices=tuple(_COMMANDS))
    add("what", nargs="?", default="", help="a number of `list`, or a step's id")
    add("--api", required=True, metavar="URL")
    add("--token-file", type=Path, required=True, metavar="FILE", help="a credential's token")
    add("--signature", metavar="HEX")
    add("--key-file", type=Path, metavar="FILE", help="an owner's key, on the owner's own machine")
    add("--reason", metavar="TEXT")
    return parser
