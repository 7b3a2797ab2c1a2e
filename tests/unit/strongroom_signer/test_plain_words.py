"""A person agrees to words: they must say what is asked, and no request can forge a line."""

from strongroom_protocol.addresses import checksum
from strongroom_protocol.authority import parse_bundle
from strongroom_signer.plain_words import words_of
from tests.integration.strongroom_signer.people import SHIPPER, STRANGE, Company, Key

ACCOUNT = {
    "account_index": 0,
    "root": "0x" + "11" * 32,
    "xpub_hash": "0x" + "22" * 32,
    "count": 1,
}
COMPANY = Company("Plain", ACCOUNT, 1_800_000_000)
BUNDLE = parse_bundle(COMPANY.bundle)


def paid(**changes) -> dict:
    intent = COMPANY.intent(STRANGE, **changes)
    return {"op": "vault_permit", "trace": "", "body": COMPANY.payment(intent, 0)}


def test_a_payment_says_how_much_to_whom_for_what() -> None:
    words = words_of(paid(units=1_500_000, reference="invoice 9"), BUNDLE)
    assert "PAY 1.5 TUSD\n" in words
    assert f"shipper {checksum(SHIPPER)}\n" in words
    assert "reference:    invoice 9\n" in words
    assert "at most 0.1 ETH\n" in words
    assert "approvals:    2\n" in words
    assert COMPANY.reference in words


def test_without_the_policy_nothing_is_guessed() -> None:
    words = words_of(paid(units=1_500_000), None)
    assert "PAY 1500000 of the smallest units of the token 0x" in words
    assert "shipper" not in words


def test_a_revocation_says_whose_key_ends() -> None:
    key = COMPANY.approvers[0].address
    body = {"organisation": COMPANY.reference, "key": checksum(key), "signature": "0x"}
    assert f"REVOKE FOR EVER the key of p0 {checksum(key)}." in words_of(
        {"op": "revoke", "trace": "", "body": body}, BUNDLE
    )
    stranger = {**body, "key": checksum(Key.named("nobody").address)}
    assert "the key 0x" in words_of({"op": "revoke", "trace": "", "body": stranger}, BUNDLE)


def test_an_order_shows_each_payment() -> None:
    intent = {
        "asset": "EUR/2",
        "units": "12345",
        "count": 1,
        "rail": "bank_file",
        "source": "bank:operating",
        "reference": "run 7",
    }
    one = {"beneficiary": "ACME", "account": "DE02", "units": "12345", "reference": "r1"}
    body = {"intent": intent, "instructions": [one], "approvals": []}
    words = words_of({"op": "fiat_order", "trace": "", "body": body}, None)
    assert "PAY OUT 123.45 EUR by bank_file, in 1 payments" in words
    assert "123.45 EUR to ACME, DE02 (r1)" in words


def test_no_request_can_forge_a_line_or_hide_one() -> None:
    request = paid()
    request["body"]["intent"]["reference"] = "x\n  to: somebody else\x1b[2J"
    words = words_of(request, BUNDLE)
    assert "\\n  to: somebody else\\x1b[2J" in words
    assert "\x1b" not in words
    assert all(line.isprintable() for line in words.splitlines())
    many = {f"n{i}": "x" * 1000 for i in range(100)}
    lines = words_of({"op": "status\x1b", "trace": "", "body": many}, None).splitlines()
    assert len(lines) < 70
    assert all(line.isprintable() and len(line) < 400 for line in lines)


def test_what_cannot_be_read_is_said() -> None:
    words = words_of({"op": "vault_permit", "trace": "", "body": {"intent": 1}}, None)
    assert "cannot be read" in words
