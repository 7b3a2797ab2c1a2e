"""An organisation with a hot key and, if wanted, a cold one: what the signer is shown for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strongroom_protocol.addresses import Address, parse_address
from strongroom_protocol.intents import Withdrawal
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import CHAIN_ID, TUSD, Company, Key, screened
from tests.integration.strongroom_signer.test_relay import GWEI, fees

Body = dict[str, Any]


def limit(asset: str, payment: int, day: int) -> Body:
    return {"asset": asset, "per_payment_units": str(payment), "per_day_units": str(day)}


def key_entry(address: str, **changes: Any) -> Body:
    """A spending key's member of the bundle: one approver, half of the vault's limits."""
    limits = [limit("ETH/18", 10**18, 10**18), limit("TUSD/6", 3_000_000, 4_000_000)]
    entry = {"index": 0, "address": address, "kind": "hot", "threshold": 1, "limits": limits}
    return entry | changes


def hot_company(desk: Desk, *, token: Address = TUSD, **changes: Any) -> Company:
    """Founded with the hot key of its account; `changes` are members of the bundle."""
    company = desk.company(founded=False, token=token)
    company.bundle |= {"spending": [key_entry(hot_address(company))], **changes}
    desk.get("policy_first", company.policy_first())
    return company


def hot_address(company: Company) -> str:
    return str(company.account["spending"][0]["address"])


def hot_intent(company: Company, **changes: Any) -> Withdrawal:
    return company.intent(parse_address(hot_address(company)), **changes)


def spend(
    company: Company, intent: Withdrawal, approvers: Sequence[Key] | None = None, **changes: Any
) -> Body:
    """The request that pays it, approved by one."""
    digest = intent.digest(CHAIN_ID)
    keys = company.approvers[:1] if approvers is None else approvers
    return {
        "organisation": company.reference,
        "intent": intent.fields(),
        "initiator_signature": company.initiator.sign(digest),
        "approvals": [key.sign(digest) for key in keys],
        "clearance": screened(company.clearance(intent)),
        "kind": "payment",
        "attempt": 0,
        "fees": fees(100_000),
        "dry_run": False,
        **changes,
    }


def bump(body: Body, attempt: int = 1, gwei: int = 9, **changes: Any) -> Body:
    dearer = fees(int(body["fees"]["gas"]), gwei * GWEI, gwei * GWEI)
    return body | {"attempt": attempt, "fees": dearer, **changes}


def cancelled(body: Body, attempt: int = 1, gwei: int = 9) -> Body:
    return bump(body, attempt, gwei, kind="cancel", approvals=[], clearance=None)
