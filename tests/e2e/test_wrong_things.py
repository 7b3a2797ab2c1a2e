"""What a client gets for what is wrong: a coded sentence, the right status, and nothing lost."""

import copy
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from first_day.cast import ETH, TUSD, Cast
from strongroom_client import Payment, Problem, Signatory, Strongroom
from strongroom_client.client import new_token, token_sha256
from strongroom_client.intents import NATIVE
from tests.e2e.stack import Stack, eventually


def refused(call: Callable[[], object]) -> Problem:
    """The problem that a call ends in."""
    with pytest.raises(Problem) as caught:
        call()
    problem = caught.value
    assert problem.request_id
    assert len(problem.detail) > 15
    return problem


def balances(cast: Cast) -> list[dict[str, Any]]:
    return list(cast.service("ines").every("/v1/balances"))


@pytest.fixture
def draft(cast: Cast) -> Callable[..., dict[str, Any]]:
    """Draft a withdrawal of a little money to the supplier, with one thing changed."""

    def make(**changed: str) -> dict[str, Any]:
        values = {
            "account": "treasury",
            "asset": TUSD,
            "to": cast.diary.get("supplier"),
            "amount": "1",
            "reference": f"wrong-{uuid.uuid4().hex[:12]}",
        }
        return cast.service("ines").draft_withdrawal(**{**values, **changed})

    return make


def test_a_malformed_address(draft: Callable[..., dict[str, Any]]) -> None:
    problem = refused(lambda: draft(to="0x1234"))
    assert (problem.status, problem.code) == (422, "address.invalid")


def test_a_wrong_checksum(draft: Callable[..., dict[str, Any]], cast: Cast) -> None:
    supplier = cast.diary.get("supplier")
    at = next(i for i, letter in enumerate(supplier) if i > 1 and letter.isalpha())
    problem = refused(
        lambda: draft(to=supplier[:at] + supplier[at].swapcase() + supplier[at + 1 :])
    )
    assert (problem.status, problem.code) == (422, "address.checksum_wrong")


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("1.1234567", "amount.too_many_decimals"),
        ("-1", "amount.negative"),
        ("0", "amount.zero"),
        ("0.000000", "amount.zero"),
        ("1e3", "amount.malformed"),
        ("1,000", "amount.malformed"),
        ("1" * 80, "amount.too_large"),
    ],
)
def test_a_wrong_amount(draft: Callable[..., dict[str, Any]], amount: str, code: str) -> None:
    problem = refused(lambda: draft(amount=amount))
    assert (problem.status, problem.code) == (422, code)


def test_an_unknown_asset(draft: Callable[..., dict[str, Any]]) -> None:
    problem = refused(lambda: draft(asset="DOGE/8"))
    assert problem.status == 422
    assert problem.code == "withdrawal.asset_unknown"


def test_more_than_is_available(cast: Cast, draft: Callable[..., dict[str, Any]]) -> None:
    before = balances(cast)
    drafted = draft(asset=ETH, amount="4.9")
    meant = Payment(cast.diary.get("supplier"), NATIVE, 49 * 10**17)
    signature = cast.key("ines").sign_withdrawal(drafted["intent"], cast.node.chain_id, meant)
    problem = refused(
        lambda: cast.service("ines").request_withdrawal("treasury", drafted["intent"], signature)
    )
    assert (problem.status, problem.code) == (409, "withdrawal.insufficient_funds")
    assert balances(cast) == before


def test_p4_a_replayed_key_with_another_body(cast: Cast) -> None:
    olivia, key = cast.service("olivia"), f"once-{uuid.uuid4()}"
    first = olivia.add_department(f"one-{key[-6:]}", key)
    assert olivia.add_department(f"one-{key[-6:]}", key) == first
    problem = refused(lambda: olivia.add_department("another", key))
    assert (problem.status, problem.code) == (409, "idempotency.body_differs")


def test_no_key_no_write(stack: Stack, cast: Cast) -> None:
    import httpx  # noqa: PLC0415 - the SDK always sends a key

    headers = {"Authorization": f"Bearer {cast.token('olivia')}"}
    answer = httpx.post(f"{stack.api_url}/v1/departments", json={"name": "x"}, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "request.invalid"


def test_nobody_and_an_unknown_token(stack: Stack) -> None:
    for token in (None, "sr_unknown"):
        with Strongroom(stack.api_url, token) as service:
            problem = refused(lambda service=service: service.get("/v1/me"))  # type: ignore[misc]
            assert problem.status == 401


def test_a_role_that_is_missing(cast: Cast) -> None:
    problem = refused(lambda: cast.service("arthur").add_department("auditors"))
    assert (problem.status, problem.code) == (403, "identity.role_missing")


@pytest.fixture(scope="module")
def stranger(stack: Stack, cast: Cast) -> Iterator[Strongroom]:
    """The owner of another organisation."""
    token, key = new_token(), Signatory.create()
    genesis = {
        "type": "strongroom.genesis/1",
        "name": "Somebody Else",
        "chain_id": cast.node.chain_id,
        "account_index": cast.operator.installation()["next_account_index"],
        "administrators": [key.address],
        "administrator_quorum": 1,
        "approvers": [key.address],
        "salt": "0x" + uuid.uuid4().hex * 2,
    }
    owner = {
        "handle": "somebody",
        "name": "Some Body",
        "roles": ["owner", "initiator", "approver", "compliance"],
        "address": key.address,
    }
    cast.operator.register_organisation(genesis, owner, token_sha256(token))
    with Strongroom(stack.api_url, token) as service:
        yield service


def test_p1_another_organisations_ids_are_not_there(cast: Cast, stranger: Strongroom) -> None:
    withdrawal = next(cast.service("ines").every("/v1/withdrawals"))["id"]
    deposit = next(cast.service("ines").every("/v1/deposits"))["id"]
    export = next(cast.service("carmen").every("/v1/exports"))["id"]
    for path in (
        f"withdrawals/{withdrawal}",
        f"deposits/{deposit}",
        f"exports/{export}",
        f"exports/{export}/bundle",
    ):
        assert refused(lambda path=path: stranger.get(f"/v1/{path}")).status == 404  # type: ignore[misc]
    assert list(stranger.every("/v1/deposits")) == []
    signatures = {"safe_tx_signature": "0x" + "11" * 65, "payment_signature": "0x" + "11" * 65}
    assert refused(lambda: stranger.approve_withdrawal(withdrawal, signatures)).status == 404


@pytest.fixture
def waiting(cast: Cast, draft: Callable[..., dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A withdrawal of one dollar that waits for approvals; cancelled afterwards."""
    drafted = draft()
    order = _request(cast, drafted["intent"])
    yield eventually(lambda: _in_state(cast, order["id"], "awaiting_approval"))
    if _in_state(cast, order["id"], "awaiting_approval"):
        reason = "the test is over"
        signature = cast.key("ines").reject(drafted["intent"], cast.node.chain_id, reason)
        cast.service("ines").post(
            f"/v1/withdrawals/{order['id']}/cancellations",
            {"reason": reason, "signature": signature},
        )


def _request(cast: Cast, intent: dict[str, Any]) -> dict[str, Any]:
    meant = Payment(intent["to"], intent["token"], int(intent["units"]))
    signature = cast.key("ines").sign_withdrawal(intent, cast.node.chain_id, meant)
    return cast.service("ines").request_withdrawal("treasury", intent, signature)


def _in_state(cast: Cast, identifier: str, *states: str) -> dict[str, Any] | None:
    found = cast.service("ines").withdrawal(identifier)
    return found if found["state"] in states else None


def _approval(
    cast: Cast, who: Signatory, waiting: dict[str, Any], **changed: Any
) -> dict[str, str]:
    intent = {**waiting["intent"], **changed}
    meant = Payment(intent["to"], intent["token"], int(intent["units"]))
    return who.approve_payment(
        intent, cast.diary.get("vault"), waiting["safe_nonce"], cast.node.chain_id, meant
    )


def _with_role(cast: Cast, stack: Stack, person_id: str) -> Strongroom:
    """An approver's credential for a person, whatever the signed bundle says of them."""
    token = new_token()
    cast.service("olivia").add_credential("for a test", ["approver"], token, person_id)
    return Strongroom(stack.api_url, token)


def test_p1_the_initiator_cannot_approve(cast: Cast, stack: Stack, waiting: dict[str, Any]) -> None:
    people = {row["handle"]: row["id"] for row in cast.service("olivia").every("/v1/people")}
    with _with_role(cast, stack, people["ines"]) as service:
        signatures = _approval(cast, cast.key("ines"), waiting)
        problem = refused(lambda: service.approve_withdrawal(waiting["id"], signatures))
    assert problem.status in {403, 409, 422}
    assert problem.code == "withdrawal.initiator_cannot_approve"


def test_p1_a_stranger_cannot_approve(cast: Cast, stack: Stack, waiting: dict[str, Any]) -> None:
    key, handle = Signatory.create(), f"sam{uuid.uuid4().hex[:8]}"
    person = cast.service("olivia").add_person(
        {"handle": handle, "name": "Sam", "roles": ["approver"], "address": key.address}
    )
    with _with_role(cast, stack, person["id"]) as service:
        signatures = _approval(cast, key, waiting)
        problem = refused(lambda: service.approve_withdrawal(waiting["id"], signatures))
    assert problem.code == "withdrawal.approver_unknown"


def test_p1_the_same_person_counts_once(cast: Cast, waiting: dict[str, Any]) -> None:
    signatures = _approval(cast, cast.key("anna"), waiting)
    cast.service("anna").approve_withdrawal(waiting["id"], signatures)
    again = copy.deepcopy(signatures)
    problem = refused(lambda: cast.service("anna").approve_withdrawal(waiting["id"], again))
    assert problem.code == "withdrawal.already_approved"
    assert _in_state(cast, waiting["id"], "awaiting_approval")


def test_p5_an_approval_over_changed_bytes(cast: Cast, waiting: dict[str, Any]) -> None:
    for changed in ({"units": "2000000"}, {"to": cast.diary.get("old-partner")}):
        signatures = _approval(cast, cast.key("anna"), waiting, **changed)
        problem = refused(
            lambda signatures=signatures: cast.service("anna").approve_withdrawal(  # type: ignore[misc]
                waiting["id"], signatures
            )
        )
        assert problem.code == "withdrawal.signature_over_other_bytes"


def test_an_approval_after_expiry(cast: Cast, draft: Callable[..., dict[str, Any]]) -> None:
    intent = {**draft()["intent"], "validUntil": str(int(time.time()) + 8)}
    order = _request(cast, intent)
    waiting = eventually(lambda: _in_state(cast, order["id"], "awaiting_approval"), 7)
    signatures = _approval(cast, cast.key("anna"), waiting)
    eventually(lambda: time.time() > int(intent["validUntil"]) + 1, 20)
    problem = refused(lambda: cast.service("anna").approve_withdrawal(order["id"], signatures))
    assert problem.code in {"withdrawal.expired", "withdrawal.not_awaiting_approval"}
    ended = eventually(lambda: _in_state(cast, order["id"], "expired"), 60)
    assert ended["reason"]
    held = [row for row in balances(cast) if row["asset"] == TUSD and row["pending"] != "0"]
    assert held == []


def test_a_reference_is_used_once_for_ever(
    cast: Cast, draft: Callable[..., dict[str, Any]]
) -> None:
    problem = refused(lambda: _request(cast, draft(reference="invoice-17")["intent"]))
    assert problem.code == "withdrawal.reference_taken"
