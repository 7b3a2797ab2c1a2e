"""Lists are read without letting an address through, and everything refused is reported."""

import os
from pathlib import Path

import pytest

from strongroom.screening import rules
from strongroom.screening.errors import ListInvalid

LISTED = "0x7F367cC41522cE07553e823bf3be79A889DEbe1B"


def address(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def test_an_address_in_the_wrong_case_is_still_listed() -> None:
    """A refused line would let the sanctioned address through."""
    for spelling in (LISTED, LISTED.lower(), "0x" + LISTED[2:].upper(), LISTED[:-1] + "b"):
        assert list(rules.parse_plain(spelling.encode()).entries) == [address(LISTED)]


def test_labels_comments_and_byte_order_marks_are_read() -> None:
    text = f"\ufeff# OFAC\n\n{LISTED}, Lazarus Group # seen 2022\r\n{LISTED.lower()}\n"
    parsed = rules.parse_plain(text.encode())
    assert parsed.entries == {address(LISTED): "Lazarus Group"}
    assert parsed.refused == ()


@pytest.mark.parametrize(
    "line",
    [
        "0x1234",
        LISTED + "00",
        LISTED[2:],
        "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh",
        "0x" + "0" * 40,
    ],
)
def test_what_is_no_address_is_refused_and_the_rest_still_counts(line: str) -> None:
    parsed = rules.parse_plain(f"{line}\n{LISTED}\n".encode())
    assert list(parsed.entries) == [address(LISTED)]
    assert [refused.line for refused in parsed.refused] == [1]


def sdn(number: int, name: str, remarks: str) -> str:
    return ",".join([str(number), f'"{name}"', *["-0- "] * 9, f'"{remarks}"']) + "\r\n"


def test_addresses_in_sdn_remarks_are_found_whatever_their_currency() -> None:
    text = sdn(
        7,
        "LAZARUS",
        f"x; Digital Currency Address - ETH {LISTED}; alt. Digital Currency "
        f"Address - USDC 0x{'ab' * 20}; Digital Currency Address - XBT 34kWCKF2;",
    )
    parsed = rules.parse_ofac_sdn((text + "\x1a").encode())
    assert parsed.entries == {address(LISTED): "LAZARUS", bytes.fromhex("ab" * 20): "LAZARUS"}
    assert parsed.refused == ()


def test_remarks_that_continue_in_the_comments_file_are_joined_in_mid_word() -> None:
    text = sdn(7, "LAZARUS", "Website x; Digital Currency A")
    more = f'7,"ddress - ETH {LISTED}; alt. Digital Currency Address - ETH 0x12"\r\n'
    parsed = rules.parse_ofac_sdn(text.encode(), more.encode())
    assert parsed.entries == {address(LISTED): "LAZARUS"}
    assert [refused.text for refused in parsed.refused] == ["0x12"]


def test_a_row_of_another_shape_is_refused_and_reported() -> None:
    parsed = rules.parse_ofac_sdn(b'1,"A","B"\r\n')
    assert parsed.refused[0].line == 1


def test_an_oversized_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "CONTENT_BYTES_MAX", 10)
    with pytest.raises(ListInvalid, match="at most 10"):
        rules.parse_plain(b"0" * 11)


def test_an_address_of_an_entity_that_only_the_comments_name_still_counts() -> None:
    more = f'9,"ddress - ETH {LISTED}; x"\r\n'
    parsed = rules.parse_ofac_sdn(sdn(7, "A", "x").encode(), more.encode())
    assert parsed.entries == {address(LISTED): "SDN entity 9"}


def test_a_list_that_was_cut_off_is_refused() -> None:
    """Half a list would clear the other half."""
    whole = sdn(7, "A", f"ETH {LISTED}") + sdn(8, "B", f"ETH 0x{'cd' * 20}")
    with pytest.raises(ListInvalid, match="not whole"):
        rules.parse_ofac_sdn(whole.encode()[:-30])


@pytest.mark.parametrize("folder", [os.environ.get("STRONGROOM_TEST_SANCTIONS", "")])
def test_the_real_lists_are_read_where_they_are_at_hand(folder: str) -> None:
    """OFAC's own files, where the variable names their folder; else only that none is named."""
    if not folder:
        return
    real = Path(folder)
    plain = rules.parse_plain((real / "ofac_eth_2024-01-12.txt").read_bytes())
    assert (len(plain.entries), plain.refused) == (146, ())
    remarks = (real / "sdn.csv").read_bytes().rsplit(b"\n", 1)[0]
    found = rules.parse_ofac_sdn(remarks, (real / "sdn_comments.csv").read_bytes())
    assert len(found.entries) > 80
