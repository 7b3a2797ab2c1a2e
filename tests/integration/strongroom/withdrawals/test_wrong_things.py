"""Wrong things and what they get: each its own code, and none of them leaves money held."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from eth_account.messages import encode_defunct, encode_typed_data
from eth_utils.crypto import keccak

from strongroom.db.actor import system
from strongroom.kit.errors import StrongroomError
from strongroom.kit.ids import HOUSE
from strongroom.screening import service as screening
from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.types import SigningData
from strongroom_protocol.errors import ProtocolError
from tests.factories.encodings import OTHER_FORMS
from tests.factories.house import OPERATOR, TUSD, sign
from tests.factories.stage import Stage

GOOD: dict[str, Any] = {"asset": TUSD, "amount": "5"}


@pytest.fixture(autouse=True)
def nothing_left_held(stage: Stage) -> Iterator[None]:
    yield
    for view in waiting(stage):
        with stage.unit() as uow:
            data = withdrawals.rejection_data(uow, view.id, "the test is over")
            initiator = {"ines": stage.cast.ines, "ivo": stage.cast.ivo}[view.initiator]
            withdrawals.cancel(
                uow, view.id, reason="the test is over", signature=sign(initiator, data)
            )
    assert stage.held() == 0


def waiting(stage: Stage) -> list[Any]:
    with stage.unit() as uow:
        ended = {"finalized", "rejected", "expired", "cancelled", "blocked", "failed"}
        return [one for one in withdrawals.page(uow) if one.state not in ended]


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises((StrongroomError, ProtocolError)) as caught:
        act()
    error = caught.value
    assert isinstance(error, StrongroomError | ProtocolError)
    assert len(str(error)) > 20, "an error says what is wrong, why, and what to do"
    return error.code


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"to": "0x1234"}, "address.invalid"),
        ({"to": "0x52908400098527886E0F7030069857D2E4169Ee7"}, "address.checksum_wrong"),
        ({"amount": "1.1234567"}, "amount.too_many_decimals"),
        ({"amount": "-1"}, "amount.negative"),
        ({"amount": "0"}, "amount.zero"),
        ({"amount": "1e3"}, "amount.malformed"),
        ({"amount": "9" * 80}, "amount.too_large"),
        ({"asset": "WOLF/18"}, "withdrawal.asset_unknown"),
        ({"valid_for_seconds": 31 * 86_400}, "withdrawal.validity_wrong"),
    ],
)
def test_a_mistake_in_a_draft_has_its_own_code(stage: Stage, changed: Any, code: str):
    assert code_of(lambda: stage.order("mistake", **{**GOOD, **changed})) == code


def test_more_than_is_available_is_refused_and_holds_nothing(stage: Stage):
    stage.update_policy(rules=[stage.bundle()["rules"][1]])
    wanted: dict[str, Any] = {"asset": "ETH/18", "amount": "1"}
    for number in range(10):
        stage.order(f"all of it {number}", **wanted)
    assert code_of(lambda: stage.order("too much", **wanted)) == "withdrawal.insufficient_funds"
    assert stage.available("ETH/18") == 0


def test_what_a_rule_denies_is_kept_as_rejected_with_the_rules_sentence(stage: Stage):
    stage.update_policy(rules=stage.bundle()["rules"])
    view = stage.order("denied", amount="1000.000001")
    assert (view.state, view.rule_id) == ("rejected", "not-above-1000")
    assert "Rule not-above-1000 denies" in view.reason
    assert stage.states(view.id) == ["rejected"]


def test_a_sanctioned_destination_is_blocked_alerted_and_its_money_let_go(stage: Stage):
    view = stage.order("sanctioned", to=stage.cast.sanctioned)
    assert (view.state, stage.held()) == ("screening", 250_000_000)
    stage.drive(until=lambda: stage.view(view.id).state != "screening")
    assert stage.view(view.id).state == "blocked"
    with stage.unit() as uow:
        kinds = [one.kind for one in screening.alerts(uow, stage.id)]
    assert "withdrawal.sanctioned_destination" in kinds


def test_only_an_initiators_signature_over_these_bytes_is_an_order(stage: Stage):
    assert code_of(lambda: stage.order("by an approver", by=stage.cast.bea, **GOOD)) == (
        "withdrawal.initiator_unknown"
    )
    with stage.unit() as uow:
        drafted = withdrawals.prepare(uow, to=stage.cast.supplier, reference="altered", **GOOD)
    signature = sign(stage.cast.ines, drafted.typed_data)
    altered = {**drafted.fields, "units": "6000000"}
    assert code_of(lambda: hand_in(stage, altered, signature)) == "withdrawal.initiator_unknown"
    assert code_of(lambda: hand_in(stage, dict(drafted.fields), "0x12")) == (
        "withdrawal.signature_malformed"
    )


def test_an_intent_and_a_reference_are_used_once_for_ever(stage: Stage):
    with stage.unit() as uow:
        drafted = withdrawals.prepare(uow, to=stage.cast.supplier, reference="once", **GOOD)
    signature = sign(stage.cast.ines, drafted.typed_data)
    hand_in(stage, dict(drafted.fields), signature)
    assert code_of(lambda: hand_in(stage, dict(drafted.fields), signature)) == (
        "withdrawal.intent_used"
    )
    assert code_of(lambda: stage.order("once", asset=TUSD, amount="6")) == (
        "withdrawal.reference_taken"
    )


def test_another_organisations_withdrawal_does_not_exist(stage: Stage):
    view = stage.order("ours", **GOOD)

    def look_from_outside() -> None:
        with stage.house.role("api").unit(HOUSE, OPERATOR) as uow:
            withdrawals.get(uow, view.id)

    assert code_of(look_from_outside) == "withdrawal.unknown"
    with stage.house.role("api").read(HOUSE, system("test")) as uow:
        assert uow.execute("SELECT count(*) FROM withdrawal").fetchone() == (0,)


def hand_in(stage: Stage, fields: Any, signature: str) -> UUID:
    with stage.unit() as uow:
        return withdrawals.request(uow, fields=fields, initiator_signature=signature).id


# --- approvals ------------------------------------------------------------------------------


def signing(stage: Stage, withdrawal_id: UUID) -> SigningData:
    with stage.unit() as uow:
        return withdrawals.signing_data(uow, withdrawal_id)


def hand_approval(
    stage: Stage, withdrawal_id: UUID, approver: str, safe_tx: str, payment: str | None
) -> None:
    with stage.unit() as uow:
        withdrawals.approve(
            uow,
            withdrawal_id,
            approver=approver,
            signature=safe_tx,
            payment_signature=payment,
        )


def test_each_wrong_approval_has_its_own_code_and_counts_for_nothing(stage: Stage):
    cast = stage.cast
    view = stage.awaiting("wrong approvals", **GOOD)
    data = signing(stage, view.id)
    assert data.payment is not None
    tx, payment = data.typed, data.payment
    good = sign(cast.amir, tx), sign(cast.amir, payment)
    changed = {**tx, "message": {**tx["message"], "value": "1"}}
    other = {**payment, "message": {**payment["message"], "units": "1"}}
    wrong: list[tuple[str, tuple[str, str, str | None]]] = [
        ("approver_unknown", (cast.stranger.address, sign(cast.stranger, tx), good[1])),
        ("approver_unknown", (cast.ada.address, sign(cast.ada, tx), sign(cast.ada, payment))),
        ("signature_over_other_bytes", (cast.amir.address, sign(cast.amir, changed), good[1])),
        ("signature_over_other_bytes", (cast.amir.address, good[0], sign(cast.amir, other))),
        ("signature_over_other_bytes", (cast.amir.address, sign(cast.bea, tx), good[1])),
        ("payment_signature_missing", (cast.amir.address, good[0], None)),
        ("signature_malformed", (cast.amir.address, good[0][:-4], good[1])),
        ("signature_malformed", (cast.amir.address, "0x" + "ff" * 65, good[1])),
        ("signature_malformed", (cast.amir.address, "not hex", good[1])),
        ("initiator_cannot_approve", (cast.ines.address, sign(cast.ines, tx), good[1])),
    ]
    for code, handed in wrong:
        found = code_of(partial(hand_approval, stage, view.id, *handed))
        assert found == f"withdrawal.{code}", handed
    assert stage.view(view.id).approvals == ()
    assert stage.view(view.id).state == "awaiting_approval"


def test_the_same_person_counts_once_in_whatever_encoding(stage: Stage):
    cast = stage.cast
    view = stage.awaiting("twice", **GOOD)
    data = signing(stage, view.id)
    assert data.payment is not None
    stage.approve(view.id, cast.amir)
    again = sign(cast.amir, data.typed), sign(cast.amir, data.payment)
    assert code_of(lambda: hand_approval(stage, view.id, cast.amir.address, *again)) == (
        "withdrawal.already_approved"
    )
    lower = cast.amir.address.lower()
    assert code_of(lambda: hand_approval(stage, view.id, lower, *again)) == (
        "withdrawal.already_approved"
    )
    for form in OTHER_FORMS.values():
        for doubled in ((form(again[0]), again[1]), (again[0], form(again[1]))):
            found = code_of(partial(hand_approval, stage, view.id, lower, *doubled))
            assert found == "withdrawal.signature_encoding"
    assert [one.person for one in stage.view(view.id).approvals] == ["amir"]
    assert stage.view(view.id).state == "awaiting_approval"


def test_who_ordered_cannot_approve_even_as_an_approver(stage: Stage):
    view = stage.awaiting("own order", by=stage.cast.ivo, **GOOD)
    assert code_of(lambda: stage.approve(view.id, stage.cast.ivo)) == (
        "withdrawal.initiator_cannot_approve"
    )


def test_an_approval_after_expiry_is_refused_and_the_money_comes_back(stage: Stage):
    view = stage.awaiting("late", valid_for_seconds=600, **GOOD)
    data = signing(stage, view.id)
    stage.house.clock.ahead_seconds = 700
    try:
        assert data.payment is not None
        handed = sign(stage.cast.amir, data.typed), sign(stage.cast.amir, data.payment)
        assert code_of(lambda: hand_approval(stage, view.id, stage.cast.amir.address, *handed)) == (
            "withdrawal.expired"
        )
        stage.drive(until=lambda: stage.view(view.id).state == "expired", parts="worker")
        assert code_of(lambda: hand_approval(stage, view.id, stage.cast.amir.address, *handed)) == (
            "withdrawal.expired"
        )
    finally:
        stage.house.clock.ahead_seconds = 0


def test_a_rejection_is_final_and_names_its_reason(stage: Stage):
    view = stage.awaiting("rejected", **GOOD)
    reason = "The invoice is not ours"
    with stage.unit() as uow:
        data = withdrawals.rejection_data(uow, view.id, reason)

    def reject(who: Any, said: str) -> None:
        with stage.unit() as uow:
            withdrawals.reject(
                uow, view.id, person=who.address, reason=said, signature=sign(who, data)
            )

    assert code_of(lambda: reject(stage.cast.stranger, reason)) == "withdrawal.approver_unknown"
    assert code_of(lambda: reject(stage.cast.bea, "another reason")) == (
        "withdrawal.signature_over_other_bytes"
    )
    reject(stage.cast.bea, reason)
    assert stage.view(view.id).state == "rejected"
    assert reason in stage.view(view.id).reason
    assert code_of(lambda: reject(stage.cast.amir, reason)) == "withdrawal.not_awaiting_approval"
    assert code_of(lambda: stage.approve(view.id, stage.cast.amir)) == (
        "withdrawal.not_awaiting_approval"
    )


@pytest.mark.parametrize("form", ["high s", "EIP-2098", "bare parity", "Safe's eth_sign"])
def test_an_approval_has_one_encoding_only(stage: Stage, form: str):
    """Each of these is Amir's own good signature, written in another way."""
    view = stage.awaiting(f"in the form {form}", **GOOD)
    data = signing(stage, view.id)
    assert data.payment is not None
    safe_tx, payment = sign(stage.cast.amir, data.typed), sign(stage.cast.amir, data.payment)
    other = OTHER_FORMS[form]
    for handed in ((other(safe_tx), payment), (safe_tx, other(payment))):
        found = code_of(partial(hand_approval, stage, view.id, stage.cast.amir.address, *handed))
        assert found == "withdrawal.signature_encoding"
    assert stage.view(view.id).approvals == ()


def misdirected(data: SigningData, stage: Stage) -> dict[str, list[tuple[Any, Any]]]:
    """What Amir's wallet may have shown instead: (Safe transaction, payment) to be signed."""
    tx, payment = data.typed, data.payment
    assert payment is not None

    def changed(typed: Any, part: str, **members: Any) -> Any:
        return {**typed, part: {**typed[part], **members}}

    nonce = int(tx["message"]["nonce"])
    later = changed(tx, "message", nonce=str(nonce + 1))
    mainnet = changed(tx, "domain", chainId="1")
    elsewhere = changed(tx, "domain", verifyingContract=stage.cast.supplier)

    def twin(of: Any, chain: Any = None) -> Any:
        made = changed(payment, "message", safeTxHash=digest_of(of))
        return made if chain is None else changed(made, "domain", chainId=chain)

    return {
        "nonce": [(later, payment), (tx, twin(later)), (later, twin(later))],
        "chain": [(mainnet, payment), (tx, changed(payment, "domain", chainId="1")),
                  (mainnet, twin(mainnet, "1"))],
        "vault": [(elsewhere, payment), (elsewhere, twin(elsewhere))],
    }  # fmt: skip


def digest_of(typed: Any) -> str:
    message = encode_typed_data(full_message=typed)
    return "0x" + keccak(b"\x19" + message.version + message.header + message.body).hex()


@pytest.mark.parametrize("what", ["nonce", "chain", "vault"])
def test_a_signature_for_another_nonce_chain_or_vault_is_told_so(stage: Stage, what: str):
    view = stage.awaiting(f"for another {what}", **GOOD)
    amir = stage.cast.amir
    for tx, payment in misdirected(signing(stage, view.id), stage)[what]:
        handed = sign(amir, tx), sign(amir, payment)
        found = code_of(partial(hand_approval, stage, view.id, amir.address, *handed))
        assert found == f"withdrawal.signature_for_another_{what}"
    assert stage.view(view.id).approvals == ()


def test_a_signature_over_a_message_is_no_approval(stage: Stage):
    """eth_sign and personal_sign (EIP-191): nobody saw what was signed."""
    view = stage.awaiting("as a message", **GOOD)
    data = signing(stage, view.id)
    made = stage.cast.amir.sign_message(encode_defunct(primitive=data.digest))
    handed = "0x" + bytes(made.signature).hex(), sign(stage.cast.amir, data.payment or {})
    found = code_of(partial(hand_approval, stage, view.id, stage.cast.amir.address, *handed))
    assert found == "withdrawal.signature_prefixed"


def test_what_has_no_plain_words_cannot_be_approved(stage: Stage):
    """A row that was changed to another destination: the vault's own guard, say."""
    view = stage.awaiting("no words", **GOOD)
    data = signing(stage, view.id)
    assert data.payment is not None
    handed = sign(stage.cast.amir, data.typed), sign(stage.cast.amir, data.payment)
    row = "UPDATE withdrawal SET token = %s WHERE id = %s"
    stage.house.execute(row, b"\x99" * 20, view.id)
    try:
        found = code_of(partial(hand_approval, stage, view.id, stage.cast.amir.address, *handed))
        assert found == "withdrawal.not_decodable"
        with stage.unit() as uow:
            seen = withdrawals.what_is_seen(uow, view.id)
        assert seen is not None
        assert seen.decoded is None
        assert "is not among the assets" in (seen.refused or "")
    finally:
        stage.house.execute(row, bytes.fromhex(stage.house.dollar[2:]), view.id)


def test_signatures_are_sorted_whoever_signs_first(stage: Stage):
    """A Safe wants them by ascending owner; people sign when they come."""
    descending = sorted(
        (stage.cast.amir, stage.cast.bea), key=lambda one: one.address.lower(), reverse=True
    )
    for people in (descending, descending[::-1]):
        view = stage.awaiting(f"first {people[0].address}", **GOOD)
        for who in people:
            stage.approve(view.id, who)
        stage.drive(until=partial(is_final, stage, view.id))


def test_a_removed_persons_word_is_void_at_once(stage: Stage):  # last: Amir stays removed
    view = stage.awaiting("removed", **GOOD)
    data = signing(stage, view.id)
    assert data.payment is not None
    handed = sign(stage.cast.amir, data.typed), sign(stage.cast.amir, data.payment)
    stage.approve(view.id, stage.cast.amir)
    assert [one.void for one in stage.view(view.id).approvals] == [None]
    rest = [one for one in stage.cast.people() if one["id"] != "amir"]
    stage.update_policy(people=rest)
    assert code_of(lambda: hand_approval(stage, view.id, stage.cast.amir.address, *handed)) == (
        "withdrawal.approver_removed"
    )
    (shown,) = stage.view(view.id).approvals
    assert (shown.person, shown.void) == (
        "amir",
        "void: the active policy names this person no more",
    )
    stage.drive(until=lambda: stage.view(view.id).state == "rejected", parts="worker")
    assert "Policy version" in stage.view(view.id).reason


def is_final(stage: Stage, withdrawal_id: UUID) -> bool:
    return stage.view(withdrawal_id).state == "finalized"
