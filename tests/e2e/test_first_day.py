"""The first day was played when the stack came up; here is what must be true after it."""

import zipfile
from pathlib import Path

from first_day.cast import TUSD, Cast
from strongroom_protocol.amounts import Asset, parse_amount
from strongroom_signer.token.pins import Pin
from tests.e2e.stack import Stack


def test_p4_each_finalized_payment_was_paid_once(cast: Cast) -> None:
    """Other tests of this stack pay the supplier too: the chain holds their sum, to the unit."""
    rows = list(cast.service("ines").every("/v1/withdrawals"))
    paid = [row for row in rows if row["state"] == "finalized" and row["asset"] == TUSD]
    assert [row["amount"] for row in paid if row["reference"] == "invoice-17"] == ["1234.56"]
    token, supplier = cast.diary.get("token"), cast.diary.get("supplier")
    assert {row["to"] for row in paid} == {supplier}
    units = sum(parse_amount(row["amount"], Asset(TUSD)).units for row in paid)
    assert cast.node.balance(supplier, token) == units


def test_p7_listed_money_is_kept_apart(cast: Cast) -> None:
    rows = {
        row["account"]: row
        for row in cast.service("olivia").every("/v1/balances")
        if row["asset"] == "ETH/18"
    }
    assert rows["quarantine"]["posted"] == "1"
    assert rows["client:treasury"]["posted"] == "2"


def test_p6_no_secret_lies_in_database_logs_or_exports(stack: Stack, cast: Cast) -> None:
    """Every key, token and PIN of the day is looked for in all that the service writes."""
    secrets = [cast.token(each) for each in ("olivia", "ines", "anna", "chen", "carmen")]
    secrets += [cast.key(each).export_key()[2:] for each in ("olivia", "ines", "anna", "chen")]
    folder = stack.state / "secrets"
    pins = ("signer-pin", "vault-pin-a", "vault-pin-b", "operator-token")
    secrets += [(folder / name).read_text().strip() for name in pins]
    secrets.append(Pin(files=(folder / "vault-pin-a", folder / "vault-pin-b")).read())
    assert len(set(secrets)) == 14
    places = [
        path
        for place in ("logs", "exports", "postgres", "valkey")
        for path in (stack.state / place).rglob("*")
        if path.is_file()
    ]
    assert len(places) > 100
    for path in places:
        content = _content(path)
        for number, secret in enumerate(secrets):
            assert secret.encode() not in content, f"secret {number} stands in {path}"


def test_p8_the_bent_export_was_refused(stack: Stack) -> None:
    people = stack.state / "people"
    good, bent = people / "export.zip", people / "export-bent.zip"
    with zipfile.ZipFile(good) as one, zipfile.ZipFile(bent) as other:
        differing = [e.filename for e in one.infolist() if one.read(e) != other.read(e.filename)]
    assert differing == ["rows.jsonl"]


def _content(path: Path) -> bytes:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as bundle:
                return b"".join(bundle.read(name) for name in bundle.namelist())
        return path.read_bytes()
    except FileNotFoundError:
        return b""
