"""Step 10: an export, verified offline; then one byte is flipped."""

import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

from first_day.cast import Cast
from first_day.diary import DayFailed


def export(cast: Cast) -> None:
    """Ask for an export as compliance, verify it, bend it, and see it refused."""
    diary, carmen = cast.diary, cast.service("carmen")
    asked = diary.once("export", lambda: carmen.request_export(diary.key("export"))["id"])

    def ready() -> dict[str, Any] | None:
        found = carmen.get(f"/v1/exports/{asked}")
        if found["state"] == "failed":
            raise DayFailed(f"The export failed: {found['reason']}")
        return found if found["state"] == "ready" else None

    found = carmen.wait("the export is ready", ready, timeout_seconds=90)
    people = Path(os.environ["STRONGROOM_PEOPLE_DIR"])
    bundle, bent = people / "export.zip", people / "export-bent.zip"
    bundle.write_bytes(carmen.export_bundle(asked))
    diary.say(f"{bundle.stat().st_size:,} bytes, {found['total_rows']} rows → {bundle.name}")
    key = diary.get("installation")["log_public_key"].removeprefix("0x")
    code, words = _verify(bundle, key)
    for lead, text in paragraphs(words):
        diary.say(f"[dim]{text}[/]", lead and f"[dim]{lead}[/]")
    diary.check(code == 0, "strongroom-verify accepts it, offline, with the log's public key", code)
    place = _flip_a_byte(bundle, bent)
    code, words = _verify(bent, key)
    diary.say(f"one byte of {place} flipped:")
    for lead, text in paragraphs(words):
        if "FAIL" in lead:
            diary.say(f"[dim]{text}[/]", f"[dim]{lead}[/]")
    diary.check(code == 1 and "rows.jsonl" in words, "refused, naming the row", (code, words))


def _verify(bundle: Path, key: str) -> tuple[int, str]:
    program = str(Path(os.environ.get("STRONGROOM_BIN_DIR", "")) / "strongroom-verify")
    done = subprocess.run(
        [program, str(bundle), "--log-key", key], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def paragraphs(report: str) -> list[tuple[str, str]]:
    """Return the verifier's lines, each check's as one: what it is, and what is said of it."""
    whole = re.sub(r"\n {20,}", " ", report.strip())
    found = []
    for line in whole.splitlines():
        parts = re.match(r"( *[A-Z]+ +(?:PASS|FAIL|NOT CHECKED) +| *)(.*)", line)
        found.append((parts[1], parts[2]) if parts else ("", line))
    return found


def _flip_a_byte(bundle: Path, bent: Path) -> str:
    """Copy the bundle with one digit of the second row's amount changed; say where."""
    name = "rows.jsonl"
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(bent, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == name:
                lines = content.split(b"\n")
                at = lines[1].index(b'"units":"') + len(b'"units":"')
                digit = b"1" if lines[1][at : at + 1] != b"1" else b"2"
                lines[1] = lines[1][:at] + digit + lines[1][at + 1 :]
                content = b"\n".join(lines)
            target.writestr(entry, content)
    return f"{name}, row 2"
