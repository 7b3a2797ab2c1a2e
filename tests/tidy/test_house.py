"""The plan of the house: folders, floors, tables, READMEs, promises, tracked files."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.tidy.source import ROOT, tracked

TOP = {
    "contracts", "src", "tests", "scripts", "deploy", "foundry.toml", "pyproject.toml",
    "docker-compose.yml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
}  # fmt: skip
PACKAGES = (
    "strongroom", "strongroom_protocol", "strongroom_signer", "strongroom_verify",
    "strongroom_client",
)  # fmt: skip
PAGE_LINES_MAX = 60
# Put together here, so that this file does not contain what it forbids.
FORBIDDEN = (
    re.compile("/" + r"work/(main|shared)"),
    re.compile("/tmp/" + "spine"),
    re.compile(r"(registry\.npm" + r"js|npm" + r"js\.org)"),
    re.compile(r"(files\.python" + r"hosted|pypi" + r"\.org)"),
    re.compile(r"deb\.debian" + r"\.org"),
)
TEXT = {
    ".py", ".md", ".toml", ".txt", ".json", ".yml", ".yaml", ".sql", ".sol", ".sh", ".html", ".js",
    ".css", ".cfg", ".ini", "",
}  # fmt: skip


def rooms() -> set[str]:
    house = ROOT / "src" / "strongroom"
    folders = {p.parent.name for p in house.glob("*/*.py")}
    return folders | {p.stem for p in house.glob("*.py") if p.stem != "__init__"}


def contracts(kind: str) -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return [contract for contract in settings["contracts"] if contract["type"] == kind]


def missing_from(listed: set[str], there: set[str]) -> set[str]:
    return there - listed


def test_every_room_stands_on_a_floor_and_every_floor_has_its_rooms() -> None:
    (layers,) = contracts("layers")
    assert layers["containers"] == ["strongroom"]
    assert layers["exhaustive"] is True
    named = [name.strip() for floor in layers["layers"] for name in floor.split("|")]
    assert sorted(named) == sorted(rooms()), "a room is born with its first behaviour, and listed"


def test_a_room_that_is_not_listed_is_seen() -> None:
    assert missing_from({"ledger"}, {"ledger", "annex"}) == {"annex"}


def test_every_package_is_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert sorted(settings["root_packages"]) == sorted(PACKAGES)
    assert sorted(p.parent.name for p in (ROOT / "src").glob("*/__init__.py")) == sorted(PACKAGES)
    (siblings,) = contracts("acyclic_siblings")
    assert sorted(siblings["ancestors"]) == sorted(PACKAGES)


def test_the_tables_of_each_room_are_protected() -> None:
    protected = {
        module: contract["allowed_importers"]
        for contract in contracts("protected")
        for module in contract["protected_modules"]
    }
    tables = sorted((ROOT / "src" / "strongroom").glob("*/models.py"))
    expected = {
        f"strongroom.{table.parent.name}.models": [f"strongroom.{table.parent.name}"]
        for table in tables
        if table.parent.name != "db"  # its Base is everybody's
    }
    assert expected, "there are no tables at all?"
    assert protected == expected


def test_nothing_else_stands_at_the_top() -> None:
    tops = {path.split("/")[0] for path in tracked()}
    assert {name for name in tops if not name.startswith(".")} <= TOP


def package_folders() -> list[Path]:
    house = ROOT / "src" / "strongroom"
    inner = [house / room for room in sorted(rooms()) if (house / room).is_dir()]
    return [*(ROOT / "src" / name for name in PACKAGES), *inner]


@pytest.mark.parametrize("folder", package_folders(), ids=lambda folder: folder.name)
def test_each_package_has_a_readme_of_one_page(folder: Path) -> None:
    readme = folder / "README.md"
    assert readme.exists(), f"{readme}: what it promises, its tables, its states, the way through"
    assert len(readme.read_text().splitlines()) <= PAGE_LINES_MAX


def test_decisions_are_short_and_say_what_holds_them_up() -> None:
    pages = sorted((ROOT / "src" / "strongroom" / "decisions").glob("[0-9]*.md"))
    assert pages
    for page in pages:
        assert len(page.read_text().splitlines()) <= PAGE_LINES_MAX, page.name


def promised(readme: str) -> set[str]:
    """Promises that a README makes now: rows of its table that do not say `not yet`."""
    rows = [line for line in readme.splitlines() if re.match(r"\|\s*\**P\d+\**\s*\|", line)]
    return {re.findall(r"P\d+", row)[0] for row in rows if "not yet" not in row.lower()}


def named(texts: list[str]) -> set[str]:
    return {promise for text in texts for promise in re.findall(r"\bP(?:10|[1-9])\b", text)}


def test_each_promise_of_the_readme_is_named_by_a_test() -> None:
    promises = promised((ROOT / "README.md").read_text())
    assert len(promises) >= 8, "the README's table of promises was not found"
    tidy = "tests/tidy/"  # names promises only to show that it sees them
    paths = [path for path in tracked() if path.startswith("tests/") and tidy not in path]
    tests = [ROOT / path for path in paths]
    texts = [p.read_text("utf-8") for p in tests if p.suffix in {".py", ".sol", ".tree"}]
    assert promises <= named(texts), sorted(promises - named(texts))


def test_a_promise_without_a_test_is_seen() -> None:
    assert promised("| P1 | quorum |\n| **P9** | exit, not yet |\n| P10 | converge |") == {
        "P1",
        "P10",
    }
    assert named(["class Test: ... # P10 and P4, not P11 or P1x"]) == {"P10", "P4"}


def found_in(text: str) -> list[str]:
    return [match[0] for pattern in FORBIDDEN for match in pattern.finditer(text)]


def test_no_tracked_file_names_this_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        if Path(path).suffix in TEXT:
            text = (ROOT / path).read_bytes().decode("utf-8", "replace")
            found += [f"{path}: {what}" for what in found_in(text)]
    assert not found, "\n" + "\n".join(found)


def test_a_path_of_a_machine_is_seen() -> None:
    assert found_in("see /" + "work/main/x") != []
    assert found_in("resolved: https://registry.npm" + "js.org/solc") != []
    assert found_in("a work/main street") == []


def test_locks_carry_hashes_and_no_addresses() -> None:
    for lock in sorted((ROOT / "deploy" / "locks").glob("*.txt")):
        lines = lock.read_text().splitlines()
        assert not [line for line in lines if "://" in line], lock.name
        pinned = [line for line in lines if re.match(r"[a-z0-9].*==", line)]
        assert pinned, lock.name
        assert all(line.endswith("\\") for line in pinned), f"{lock.name}: a pin without hashes"
