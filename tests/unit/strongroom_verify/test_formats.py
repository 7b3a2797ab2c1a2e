"""Each reader accepts one spelling of a value and no other."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rlp as reference_rlp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from strongroom_protocol import canonical as service_canonical
from strongroom_verify import canonical, merkle, note, rlp
from strongroom_verify.archive import Archive
from strongroom_verify.errors import Malformed
from strongroom_verify.ethereum import TRANSFER_TOPIC, read_header, read_receipt, read_transaction
from strongroom_verify.keccak import keccak256
from strongroom_verify.patricia import value_at
from tests.factories.bundles import ORDER, integer, leaf, tree_proof, tree_root, write
from tests.factories.bundles import note as signed_note

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
items = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=6))


@given(values)
def test_canonical_json_is_what_the_service_writes(value: object) -> None:
    try:
        raw = service_canonical.canonical_bytes(value)
    except ValueError:
        return
    assert canonical.serialise(value) == raw
    assert canonical.parse(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b"1.0",
        b"1e3",
        b"NaN",
        b"-0",
        b"9007199254740992",
        b'"\\u0041"',
        b'"\\/"',
        b'"\xff"',
        b'"\\ud800"',
        b"[1] ",
        b"",
        b"[" * 100_000,
        b"1" * 10_000,
    ],
)
def test_a_second_spelling_of_json_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        canonical.parse(raw)


@given(items)
def test_rlp_is_read_as_written(item: object) -> None:
    assert rlp.decode(reference_rlp.encode(item)) == item


@pytest.mark.parametrize(
    "raw",
    [
        *("", "8100", "8180ff", "b800", "c2", "83ffff", "f800", "81", "b9", "f9", "b801ff"),
        "b90038" + "00" * 56,
        "b837" + "00" * 55,
        "f837" + "00" * 55,
        "c1" * 20 + "c0",
    ],
)
def test_a_second_spelling_of_rlp_is_refused(raw: str) -> None:
    with pytest.raises(Malformed):
        rlp.decode(bytes.fromhex(raw))


def test_rlp_of_another_kind_is_refused() -> None:
    for wrong in (
        lambda: rlp.decode_list(b"\x80"),
        lambda: rlp.as_bytes([]),
        lambda: rlp.as_bytes(b"12", 3),
        lambda: rlp.as_list(b""),
        lambda: rlp.as_integer(b"\x00"),
        lambda: rlp.as_integer(b"\x01" * 33),
        lambda: rlp.encode_integer(-1),
    ):
        with pytest.raises(Malformed):
            wrong()


HEADER: list[Any] = [bytes(32)] * 6 + [b"", b"", b"\x07", b"", b"", b"\x01", b"", bytes(32), b""]
LOG: list[Any] = [bytes(20), [bytes(32)], b""]


@pytest.mark.parametrize(
    ("reader", "raw"),
    [
        (read_header, reference_rlp.encode(HEADER[:14])),
        (read_header, reference_rlp.encode([*HEADER[:5], b"short", *HEADER[6:]])),
        (read_header, reference_rlp.encode([*HEADER[:8], [], *HEADER[9:]])),
        (read_receipt, b""),
        (read_receipt, b"\x80"),
        (read_receipt, b"\x02" + reference_rlp.encode([b"\x01", b"", b""])),
        (read_receipt, b"\x02" + reference_rlp.encode([bytes(32), b"", b"", []])),
        (read_receipt, b"\x02" + reference_rlp.encode([b"\x01", b"", b"", b"logs"])),
        (read_receipt, b"\x02" + reference_rlp.encode([b"\x01", b"", b"", [LOG[:2]]])),
        (read_transaction, b"\x05" + reference_rlp.encode([b""] * 12)),
        (read_transaction, b"\x02" + reference_rlp.encode([b""] * 11)),
        (read_transaction, b"\x02" + reference_rlp.encode([b""] * 5 + [b"to"] + [b""] * 6)),
    ],
)
def test_headers_receipts_and_transactions_of_another_shape_are_refused(
    reader: Callable[[bytes], object], raw: bytes
) -> None:
    assert read_header(bytes(reference_rlp.encode(HEADER))).height == 7
    with pytest.raises(Malformed):
        reader(bytes(raw))


def test_only_a_transfer_of_the_standards_shape_is_one() -> None:
    """ERC-721 shares the topic with a fourth; dirty addresses and short data are not transfers."""
    address, units = bytes(12) + b"\x11" * 20, (5).to_bytes(32, "big")
    good = [b"\x70" * 20, [TRANSFER_TOPIC, address, address], units]
    odd: list[Any] = [
        [good[0], [*good[1], bytes(32)], b""],
        [good[0], good[1][:2], units],
        [good[0], [bytes(32), address, address], units],
        [good[0], [TRANSFER_TOPIC, b"\x01" * 32, address], units],
        [good[0], [TRANSFER_TOPIC, address, b"\x01" * 32], units],
        [good[0], good[1], units[1:]],
    ]
    raw = b"\x02" + bytes(reference_rlp.encode([b"\x01", b"", b"", [good, *odd]]))
    logs = read_receipt(raw).logs
    assert logs[0] is not None
    assert logs[0].units == 5
    assert logs[1:] == (None,) * len(odd)


@given(st.integers(0, 2**40))
def test_trie_keys_are_written_as_rlp(value: int) -> None:
    assert rlp.encode_integer(value) == integer(value)


@pytest.mark.parametrize("size", range(1, 20))
def test_inclusion_leads_to_the_root_for_every_place_and_no_other(size: int) -> None:
    leaves = [leaf(bytes([number])) for number in range(size)]
    root = tree_root(leaves)
    assert merkle.root(leaves) == root
    for place in range(size):
        proof = [bytes.fromhex(node[2:]) for node in tree_proof(leaves, place)]
        assert merkle.root_from_inclusion(place, size, leaves[place], proof) == root
        for other in range(size):
            if other != place:
                try:
                    found = merkle.root_from_inclusion(other, size, leaves[place], proof)
                except Malformed:
                    continue
                assert found != root
        for wrong in (proof[:-1], [*proof, root]):
            if wrong != proof:
                with pytest.raises(Malformed):
                    merkle.root_from_inclusion(place, size, leaves[place], wrong)


def test_a_place_outside_the_tree_is_no_second_name_for_one_inside() -> None:
    for size in range(1, 9):
        leaves = [leaf(bytes([number])) for number in range(size)]
        proofs = [
            [bytes.fromhex(node[2:]) for node in tree_proof(leaves, at)] for at in range(size)
        ]
        for place in (-1, *range(size, 3 * size)):
            for proof in proofs:
                with pytest.raises(Malformed, match="outside"):
                    merkle.root_from_inclusion(place, size, leaves[0], proof)


def test_an_empty_tree_proves_nothing() -> None:
    with pytest.raises(Malformed):
        merkle.root([])
    with pytest.raises(Malformed):
        merkle.root_from_inclusion(0, 0, bytes(32), [])


def test_a_trie_proof_is_for_its_key_and_whole() -> None:

    made = HexaryTrie({})
    for number in range(40):
        made[integer(number)] = bytes([number + 1]) * (number + 1)
    for number in range(40):
        nodes = [bytes(reference_rlp.encode(node)) for node in made.get_proof(integer(number))]
        # A node below 32 bytes stands inside its parent, and is not listed again.
        proof = nodes[:1] + [node for node in nodes[1:] if len(node) >= 32]
        assert value_at(made.root_hash, integer(number), proof) == made[integer(number)]
        for wrong in (proof[:-1], [*proof, proof[-1]], list(reversed(proof))):
            if wrong != proof and wrong:
                with pytest.raises(Malformed):
                    value_at(made.root_hash, integer(number), wrong)
        with pytest.raises(Malformed):
            value_at(made.root_hash, integer(number + 40), proof)
    assert keccak256(b"").hex().startswith("c5d246")


def contents() -> dict[str, bytes]:
    return dict.fromkeys(ORDER, b"{}\n" * 50)


def test_an_archive_in_its_one_form_is_read(tmp_path: Path) -> None:
    archive = Archive.open(write(contents(), tmp_path / "good.zip"))
    assert archive.read("manifest.json") == b"{}\n" * 50
    assert list(archive.lines("rows.jsonl")) == [b"{}"] * 50
    archive.close()


def odd(path: Path, *, compression: int = zipfile.ZIP_STORED, **renamed: str) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in ORDER:
            info = zipfile.ZipInfo(renamed.get(name.split(".")[0], name), (1980, 1, 1, 0, 0, 0))
            info.external_attr, info.compress_type = 0o600 << 16, compression
            archive.writestr(info, b"0" * 100_000)
    return path


def test_compressed_members_are_refused_so_nothing_can_swell(tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        Archive.open(odd(tmp_path / "bomb.zip", compression=zipfile.ZIP_DEFLATED))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["../rows.jsonl", "/rows.jsonl", "blocks.jsonl", "extra.txt"])
def test_other_doubled_and_climbing_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed):
        Archive.open(odd(tmp_path / "names.zip", rows=name))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_more_or_fewer_files_are_refused(tmp_path: Path) -> None:
    fewer = write(contents(), tmp_path / "fewer.zip", order=ORDER[:-1])
    more = write(contents(), tmp_path / "more.zip", order=(*ORDER, ORDER[0]))
    swapped = write(contents(), tmp_path / "swapped.zip", order=tuple(reversed(ORDER)))
    for path in (fewer, more, swapped):
        with pytest.raises(Malformed):
            Archive.open(path)


def test_bytes_before_between_and_behind_are_refused(tmp_path: Path) -> None:
    good = write(contents(), tmp_path / "good.zip").read_bytes()
    path = tmp_path / "padded.zip"
    for other in (b"\x00" + good, good + b"\x00", good[:40] + b"\x00" + good[40:]):
        path.write_bytes(other)
        with pytest.raises(Malformed):
            Archive.open(path)
    stream = io.BytesIO(good)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = b"hello"
    path.write_bytes(stream.getvalue())
    with pytest.raises(Malformed):
        Archive.open(path)


def test_a_line_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom_verify.archive.LINE_BYTES_MAX", 100)
    files = contents() | {"rows.jsonl": json.dumps("x" * 200).encode() + b"\n"}
    archive = Archive.open(write(files, tmp_path / "long.zip"))
    with pytest.raises(Malformed, match="longer"):
        list(archive.lines("rows.jsonl"))
    archive.close()


def test_a_manifest_beyond_the_limit_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom_verify.archive.SMALL_BYTES_MAX", 100)
    archive = Archive.open(write(contents(), tmp_path / "large.zip"))
    with pytest.raises(Malformed, match="more than"):
        archive.read("manifest.json")
    archive.close()


def test_every_member_is_compared_with_its_checksum(tmp_path: Path) -> None:
    path = write(contents(), tmp_path / "crc.zip")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"{}", raw.index(b"receipts.jsonl"))] ^= 1
    path.write_bytes(raw)
    archive = Archive.open(path)
    assert archive.damaged() == "receipts.jsonl"
    archive.close()


def one_node(path: bytes, value: bytes = b"v" * 40) -> tuple[bytes, list[bytes]]:
    """A trie of one leaf node, written by hand: (root, proof)."""
    node = bytes(reference_rlp.encode([path, value]))
    return keccak256(node), [node]


@pytest.mark.parametrize("path", ["", "4080", "2180", "2f80", "ff80", "30"])
def test_a_trie_path_has_one_spelling(path: str) -> None:
    root, proof = one_node(bytes.fromhex("2080"))
    assert value_at(root, b"\x80", proof) == b"v" * 40
    root, proof = one_node(bytes.fromhex(path))
    with pytest.raises(Malformed):
        value_at(root, b"\x80", proof)


def test_a_leaf_of_a_shorter_key_is_not_the_keys_own() -> None:
    root, proof = one_node(bytes.fromhex("2080"))
    with pytest.raises(Malformed, match="before the key"):
        value_at(root, b"\x80\x01", proof)


def test_a_trie_that_holds_nothing_there_proves_nothing() -> None:
    root, proof = one_node(bytes.fromhex("2080"), b"")
    with pytest.raises(Malformed):
        value_at(root, b"\x80", proof)
    short = bytes(reference_rlp.encode([b"a", b"b", b"c"]))
    with pytest.raises(Malformed, match="2 nor 17"):
        value_at(keccak256(short), b"\x80", [short])


GOOD = note.parse(signed_note(Ed25519PrivateKey.generate(), 5, bytes(32)))


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"\xe2\x80\x94", b"\xff"),
        lambda raw: raw.replace(b"AAAA=", b"AAAB="),
        lambda raw: raw.replace(b"AAAA=", b"AA=A="),
        lambda raw: raw[:-5] + b"\n",
        lambda raw: raw[:-2] + b"\n",
        lambda raw: raw + b"\n",
        lambda raw: raw + raw.splitlines()[-1] + b"\n",
        lambda raw: raw.replace(b"\n5\n", b"\n05\n"),
        lambda raw: raw.replace(b"\n5\n", b"\n-5\n"),
        lambda raw: raw.replace(b"\n5\n", b"\n"),
        lambda raw: raw.replace(b"strongroom.test/log\n", b"other.test/log\n", 1),
    ],
)
def test_a_checkpoint_has_one_spelling(change: Callable[[bytes], bytes]) -> None:
    assert GOOD.size == 5
    raw = signed_note(Ed25519PrivateKey.generate(), 5, bytes(32))
    with pytest.raises(Malformed):
        note.parse(change(raw))
