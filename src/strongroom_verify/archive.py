"""The container: a ZIP file in exactly one form, so that no byte of it is free (FORMAT.md).

Members are stored, never compressed: there is no bomb to inflate, and the archive's own headers
follow from the names, sizes and checksums alone. They are computed here and compared, so a byte
changed in a date, a comment, an attribute or a gap is seen like any other.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from strongroom_verify.errors import Malformed

MEMBERS = (
    "manifest.json",
    "checkpoint.txt",
    "records.jsonl",
    "rows.jsonl",
    "blocks.jsonl",
    "receipts.jsonl",
)
MEMBER_BYTES_MAX = 2**31 - 1  # beyond, ZIP needs its 64-bit form, which this format has not
LINE_BYTES_MAX = 8 * 2**20  # the largest receipt proof met is far below; memory stays bounded
SMALL_BYTES_MAX = 2**20  # manifest and checkpoint are read whole

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_EPOCH_DATE = (1 << 5) | 1  # 1980-01-01, the zero of MS-DOS dates
_ATTRIBUTES = 0o600 << 16
_CHUNK = 2**20


@dataclass(frozen=True)
class Member:
    """One file inside: its name, where its bytes begin in the archive, and how many they are."""

    name: str
    start: int
    size: int
    crc: int

    def local_header(self) -> bytes:
        """The 30-byte local header and the name, as APPNOTE.TXT 4.3.7 lays them out."""
        sizes = (self.crc, self.size, self.size, len(self.name), 0)
        return _LOCAL.pack(b"PK\x03\x04", 20, 0, 0, 0, 0, _EPOCH_DATE, *sizes) + self.name.encode()

    def central_header(self, offset: int) -> bytes:
        """The member's entry in the central directory, APPNOTE.TXT 4.3.12."""
        name = self.name.encode()
        fixed = (b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, _EPOCH_DATE)
        sizes = (self.crc, self.size, self.size, len(name), 0, 0, 0, 0)
        return _CENTRAL.pack(*fixed, *sizes, _ATTRIBUTES, offset) + name


class Archive:
    """An opened bundle: its members are in the one order of MEMBERS, checked byte for byte."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.members = _layout(stream)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open and check the container. Raises Malformed, or OSError when it cannot be read."""
        stream = path.open("rb")
        try:
            return cls(stream)
        except BaseException:
            stream.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def read(self, name: str) -> bytes:
        """A small member whole. Raises Malformed when it is larger than such a file may be."""
        member = self.members[name]
        if member.size > SMALL_BYTES_MAX:
            raise Malformed(f"{member.size} bytes are more than the {SMALL_BYTES_MAX} allowed")
        self._stream.seek(member.start)
        return self._stream.read(member.size)

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a JSONL member without their line feeds; each must end with one."""
        member = self.members[name]
        position, left = member.start, member.size
        while left:
            self._stream.seek(position)
            line = self._stream.readline(min(left, LINE_BYTES_MAX))
            if not line.endswith(b"\n"):
                raise Malformed("the last line has no end, or a line is longer than 8 MiB")
            position += len(line)
            left -= len(line)
            yield line[:-1]

    def damaged(self) -> str | None:
        """The first member whose bytes do not have the checksum that the archive states.

        Asked last: the checks that read the contents can name the row, this one only the file.
        """
        for name, member in self.members.items():
            if _checksum(self._stream, member) != member.crc:
                return name
        return None

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a member, in pieces."""
        yield from _chunks(self._stream, self.members[name].start, self.members[name].size)


def _layout(stream: BinaryIO) -> dict[str, Member]:
    """Read the directory from the end, then want every header byte to be the expected one."""
    total = stream.seek(0, 2)
    directory, offset = _directory(stream, total)
    sizes = _entries(directory)
    members: dict[str, Member] = {}
    at = 0
    central = b""
    for name, size, crc in sizes:
        header_bytes = _LOCAL.size + len(name)
        member = Member(name, at + header_bytes, size, crc)
        stream.seek(at)
        if stream.read(header_bytes) != member.local_header():
            raise Malformed(f"the archive's header of {name} is not the one this format has")
        central += member.central_header(at)
        members[name] = member
        at += header_bytes + size
    if at != offset or central != directory:
        raise Malformed("the archive's directory does not match the files in it")
    return members


def _directory(stream: BinaryIO, total: int) -> tuple[bytes, int]:
    """The central directory's bytes and offset, from an end record without a comment."""
    if total < _END.size:
        raise Malformed("the file is too short to be an archive; it may have been cut off")
    stream.seek(total - _END.size)
    raw = stream.read(_END.size)
    magic, *_, size, offset, _comment = _END.unpack(raw)
    if magic != b"PK\x05\x06" or offset + size + _END.size != total:
        raise Malformed("the file does not end like an archive; it may have been cut off")
    count = len(MEMBERS)
    if raw != _END.pack(b"PK\x05\x06", 0, 0, count, count, size, offset, 0):
        raise Malformed(f"the archive must hold exactly {count} files and no comment")
    if size > count * 256:
        raise Malformed("the archive's directory is larger than the format allows")
    stream.seek(offset)
    return stream.read(size), offset


def _entries(directory: bytes) -> list[tuple[str, int, int]]:
    """(name, size, checksum) of each entry: the known names, each once, in their order."""
    entries: list[tuple[str, int, int]] = []
    at = 0
    for expected in MEMBERS:
        if at + _CENTRAL.size > len(directory):
            raise Malformed("the archive's directory is cut off")
        fields = _CENTRAL.unpack_from(directory, at)
        at += _CENTRAL.size
        name = directory[at : at + fields[12]]
        at += len(name)
        if name != expected.encode():
            raise Malformed(f"the archive has {name[:80]!r} where {expected} must stand")
        if fields[11] > MEMBER_BYTES_MAX:
            raise Malformed(f"{expected} is larger than {MEMBER_BYTES_MAX} bytes")
        entries.append((expected, fields[11], fields[9]))
    if at != len(directory):
        raise Malformed("the archive's directory has more in it than its files")
    return entries


def _checksum(stream: BinaryIO, member: Member) -> int:
    crc = 0
    for chunk in _chunks(stream, member.start, member.size):
        crc = zlib.crc32(chunk, crc)
    return crc


def _chunks(stream: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    position, left = start, size
    while left:
        stream.seek(position)
        chunk = stream.read(min(left, _CHUNK))
        if not chunk:
            raise Malformed("the file ends before its contents do")
        position += len(chunk)
        left -= len(chunk)
        yield chunk
