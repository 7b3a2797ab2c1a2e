"""The pictures of a file are read back, by a reader that is not ours, as the very same file."""

import json
from typing import Any

import pytest
import segno
import zxingcpp

from strongroom.api import qr

SCALE, BORDER = 3, 4
SMALL = {"type": "strongroom.requests/1", "requests": [{"name": "Müller & Söhne €"}]}
LARGE = {"raw": "0x" + "7f" * 3_000}
HUGE = {"raw": "0x" + "7f" * 9_000}


def read(symbol: segno.QRCode) -> str:
    rows = [bytes(row) for row in symbol.matrix_iter(scale=SCALE, border=BORDER)]
    dark = bytes(0 if module else 255 for row in rows for module in row)
    (found,) = zxingcpp.read_barcodes(memoryview(dark).cast("B", (len(rows), len(rows[0]))))
    return str(found.text)


@pytest.mark.parametrize(("document", "pictures"), [(SMALL, 1), (LARGE, 7), (HUGE, 8)])
def test_a_file_is_read_back_from_its_pictures(document: dict[str, Any], pictures: int):
    drawn = qr.symbols(document)
    assert len(drawn) == pictures
    assert json.loads("".join(read(symbol) for symbol in drawn)) == document


@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_picture_is_drawn_as_asked(form: qr.Form, start: bytes):
    assert qr.draw(qr.symbols(SMALL)[0], form).startswith(start)


def test_what_sixteen_pictures_do_not_hold_is_refused_with_words():
    with pytest.raises(qr.TooLarge, match="sixteen pictures"):
        qr.symbols({"raw": "0x" + "7f" * 20_000})
