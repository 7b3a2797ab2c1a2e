"""A transcript whose past was changed is never taken for the ceremony's."""

from collections.abc import Callable

import pytest

from strongroom_protocol.transcript import (
    CeremonyTranscript,
    TranscriptBroken,
    head_of,
    line_bytes,
    read_transcript,
)


def _written(count: int) -> list[bytes]:
    lines: list[bytes] = []
    for number in range(count):
        acts = read_transcript(b"".join(lines))
        lines.append(line_bytes(acts, 1_800_000_000 + number, "new", {"n": number}) + b"\n")
    return lines


CHANGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a fact changed": lambda lines: [lines[0].replace(b'"n":0', b'"n":9'), *lines[1:]],
    "a line taken out": lambda lines: [lines[0], lines[2]],
    "the first taken out": lambda lines: lines[1:],
    "two exchanged": lambda lines: [lines[1], lines[0], lines[2]],
    "one twice": lambda lines: [lines[0], lines[0], *lines[1:]],
    "a member more": lambda lines: [lines[0][:-2] + b',"x":1}\n'],
    "not canonical": lambda lines: [b" " + lines[0]],
    "no JSON": lambda _lines: [b"hello\n"],
    "no object": lambda _lines: [b"[]\n"],
    "cut": lambda lines: [lines[0][:-1]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_transcript_is_refused(change: str) -> None:
    with pytest.raises(TranscriptBroken):
        read_transcript(b"".join(CHANGES[change](_written(3))))


def test_the_head_stands_for_every_line() -> None:
    lines = _written(3)
    acts = read_transcript(b"".join(lines))
    assert [act["facts"]["n"] for act in acts] == [0, 1, 2]
    heads = {head_of(acts[:count]) for count in range(4)}
    assert len(heads) == 4
    digests = {CeremonyTranscript(head, 3).digest(1) for head in heads}
    assert len(digests) == 4
