"""Source documents to begin with: a small, a middle and a large organisation's. Nothing else.

What only the organisation knows is a text that begins with BLANK; a draft has none left.
"""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

BLANK: Final = "FILL IN"
TEMPLATES: Final = ("small", "middle", "large")


def template(name: str) -> dict[str, Any]:
    """The template's document. Raises KeyError when there is none of that name."""
    if name not in TEMPLATES:
        raise KeyError(name)
    text = files("strongroom.policy").joinpath("templates", f"{name}.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def blanks(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """The path and the text of everything that is still to be filled in."""
    if isinstance(value, str) and value.startswith(BLANK):
        yield path, value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from blanks(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from blanks(part, f"{path}[{i}]")
