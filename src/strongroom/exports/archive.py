"""The bundle's container: a ZIP in one form only, so that the same contents give the same bytes."""

import hashlib
import os
import shutil
import zipfile
from pathlib import Path

MEMBERS = (
    "manifest.json",
    "checkpoint.txt",
    "records.jsonl",
    "rows.jsonl",
    "blocks.jsonl",
    "receipts.jsonl",
)
FILE_MODE = 0o640  # the worker writes, the API's group reads, nobody else
_CHUNK = 2**20


def write_archive(folder: Path, target: Path) -> tuple[bytes, int]:
    """Pack the members of `folder`, stored; returns the file's SHA-256 and size.

    The file appears under its name only when it is whole and on the disk.
    """
    fresh = target.with_name(f".{target.name}.part")
    with fresh.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in MEMBERS:
                info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                info.create_system, info.external_attr = 3, 0o600 << 16
                info.file_size = (folder / name).stat().st_size
                with (folder / name).open("rb") as source, archive.open(info, "w") as member:
                    shutil.copyfileobj(source, member, _CHUNK)
        file.flush()
        os.fsync(file.fileno())
    digest = hashlib.sha256()
    with fresh.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    size = fresh.stat().st_size
    fresh.chmod(FILE_MODE)
    fresh.replace(target)
    _sync_folder(target.parent)
    return digest.digest(), size


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
