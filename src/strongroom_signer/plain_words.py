"""A request in words that a person can agree to: who pays whom how much, whose key ends.
Nothing here is believed by the signer, and nothing in a request can forge a line: what is not
printable is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from strongroom_protocol.addresses import ZERO, AddressInvalid, parse_address
from strongroom_protocol.amounts import Amount, Asset
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.errors import ProtocolError

_ETHER = Asset("ETH/18")
_LINE_MAX = 300
_LINES_MAX = 60
Body = Mapping[str, Any]


def words_of(request: Body, bundle: Bundle | None) -> str:
    """Lines about {op, trace, body}; `bundle` is the organisation's policy, if it is known."""
    op, body = str(request["op"]), request["body"]
    make = _WORDS.get(op, _plain)
    try:
        lines = make(body, bundle)
    except (KeyError, TypeError, AttributeError, ValueError, ProtocolError):
        lines = [f"A request {op!r} that cannot be read; the signer will refuse it."]
    if body.get("organisation"):
        lines.append(f"organisation: {body['organisation']}")
    if body.get("dry_run"):
        lines.insert(0, "TRIAL RUN, nothing is signed:")
    shown = [f"{_printable(op)}:", *("  " + _printable(line) for line in lines[:_LINES_MAX])]
    if len(lines) > _LINES_MAX:
        shown.append(f"  … and {len(lines) - _LINES_MAX} lines more")
    return "\n".join(shown)


def _suspend(_body: Body, _bundle: Bundle | None) -> list[str]:
    return ["SUSPEND: nothing moves until the administrators sign a new policy."]


def _revoke(body: Body, bundle: Bundle | None) -> list[str]:
    return [f"REVOKE FOR EVER the key {_person(body['key'], bundle)}."]


def _payment(body: Body, bundle: Bundle | None) -> list[str]:
    intent = body["intent"]
    if body["kind"] != "payment":
        verb = "CANCEL, so that it can never be made, the payment of"
    else:
        verb = "PAY"
    lines = [
        f"{verb} {_units(intent['token'], intent['units'], bundle)}",
        f"to:           {_destination(intent['to'], bundle)}",
        f"from:         {intent['wallet']}",
        f"reference:    {intent['reference']}",
        f"network fee:  at most {Amount(int(intent['maxFeeWei']), _ETHER)}",
        f"approvals:    {len(body['approvals'])}",
    ]
    if "attempt" in body:
        lines.append(f"attempt:      {body['attempt']}")
    return lines


def _batch(body: Body, bundle: Bundle | None) -> list[str]:
    payments = [_payment({**one, "kind": "payment"}, bundle) for one in body["payments"]]
    return ["ALL OR NONE of these:", *(line for lines in payments for line in lines)]


def _order(body: Body, _bundle: Bundle | None) -> list[str]:
    intent = body["intent"]
    asset = Asset(intent["asset"])
    total = Amount(int(intent["units"]), asset)
    lines = [
        f"PAY OUT {total} by {intent['rail']}, in {intent['count']} payments",
        f"from:         {intent['source']}",
        f"reference:    {intent['reference']}",
        f"approvals:    {len(body['approvals'])}",
    ]
    for one in body["instructions"]:
        amount = Amount(int(one["units"]), asset)
        lines.append(f"  {amount} to {one['beneficiary']}, {one['account']} ({one['reference']})")
    return lines


def _policy(body: Body, _bundle: Bundle | None) -> list[str]:
    bundle = body["bundle"]
    vault = bundle.get("controls") or bundle["vault"]
    people, keys, book = bundle["people"], bundle.get("spending", []), bundle["address_book"]
    return [
        f"POLICY version {bundle['version']}, signed by {len(body['signatures'])} people",
        f"organisation: {bundle['organisation']}",
        *(f"person:       {one['name']} ({', '.join(one['roles'])})" for one in people),
        f"vault owners: {vault['threshold']} of {', '.join(vault['owners'])}",
        f"vault guard:  {vault.get('guard', 'the one of this platform')}",
        f"permit key:   {vault['permit_signer']}",
        *(f"{one['kind']} key:     {one['address']}, {one['threshold']} approve" for one in keys),
        *(f"may be paid:  {one['label']} {one['address']}" for one in book),
    ]


def _plain(body: Body, _bundle: Bundle | None) -> list[str]:
    return [f"{name}: {value}" for name, value in sorted(body.items()) if name != "organisation"]


_WORDS: Mapping[str, Callable[[Body, Bundle | None], list[str]]] = {
    "suspend": _suspend,
    "revoke": _revoke,
    "vault_permit": _payment,
    "vault_batch": _batch,
    "spending_payment": _payment,
    "fiat_order": _order,
    "policy_first": _policy,
    "policy_update": _policy,
}


def _units(token: str, units: str, bundle: Bundle | None) -> str:
    """`12.5 TUSD` where the policy lists the token; else the bare units, and of what."""
    contract = parse_address(token)
    known = None if bundle is None else bundle.token_of(None if contract == ZERO else contract)
    if known is not None:
        return str(Amount(int(units), known.asset))
    if contract == ZERO:
        return str(Amount(int(units), _ETHER))
    return f"{int(units)} of the smallest units of the token {token}"


def _destination(address: str, bundle: Bundle | None) -> str:
    book = () if bundle is None else bundle.address_book
    wanted = parse_address(address)
    label = next((entry.label for entry in book if entry.address == wanted), None)
    return address if label is None else f"{label} {address}"


def _person(key: str, bundle: Bundle | None) -> str:
    try:
        person = None if bundle is None else bundle.person_of(parse_address(key))
    except AddressInvalid:
        person = None
    return key if person is None else f"of {person.name} {key}"


def _printable(line: str) -> str:
    cut = line if len(line) <= _LINE_MAX else line[:_LINE_MAX] + "…"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut
    )
