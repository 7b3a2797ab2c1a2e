"""A file as a row of QR pictures, for a machine that has a camera and no network.

ISO/IEC 18004 structured append: at most sixteen symbols, each says which one it is of how many.
"""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import segno

from strongroom.kit.errors import Conflict

VERSIONS: Final = (25, 40)
"""A thousand bytes a symbol, which phones read from a screen; then as much as a symbol holds."""
PIXELS: Final = 4
Form = Literal["svg", "png"]


class TooLarge(Conflict):
    """Sixteen pictures do not hold the file."""

    code = "withdrawal.too_large_for_pictures"


def symbols(document: Mapping[str, Any]) -> Sequence[segno.QRCode]:
    """The pictures of a document's compact JSON, in ASCII, in order. Raises TooLarge."""
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    for version in VERSIONS:
        try:
            return list(segno.make_sequence(text, version=version, error="m", boost_error=False))
        except segno.DataOverflowError:
            continue
    raise TooLarge(
        f"The file has {len(text)} bytes, more than sixteen pictures hold. Take the file itself, "
        "or leave out the policies that the offline machine has."
    )


def draw(symbol: segno.QRCode, form: Form) -> bytes:
    """One picture."""
    out = io.BytesIO()
    symbol.save(out, kind=form, scale=PIXELS)
    return out.getvalue()
