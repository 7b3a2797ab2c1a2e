"""PostgreSQL runs as another account than root: what that account is let into, and what not."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.cli.dev.access import ACL_ATTRIBUTE, let_pass
from strongroom.cli.dev.program import Account
from tests.factories.parts.place import short_folder

NOBODY = Account(uid=pwd.getpwnam("nobody").pw_uid, gid=pwd.getpwnam("nobody").pw_gid)


@pytest.fixture
def home() -> Iterator[Path]:
    with short_folder("ac") as folder:
        (folder / "inner").mkdir(mode=0o700)
        yield folder


def test_only_that_account_gets_in_and_only_to_pass(home: Path) -> None:
    assert let_pass(home / "inner" / "data", NOBODY) == [home, home / "inner"]
    mode = stat.S_IMODE((home / "inner").stat().st_mode)
    assert mode & stat.S_IRWXO == 0, "others got in"
    listed = os.getxattr(home / "inner", ACL_ATTRIBUTE)
    assert listed[12:20] == b"\x02\x00\x01\x00" + NOBODY.uid.to_bytes(4, "little")


def test_again_changes_nothing(home: Path) -> None:
    let_pass(home / "inner" / "data", NOBODY)
    before = (home / "inner").stat().st_mode
    let_pass(home / "inner" / "data", NOBODY)
    assert (home / "inner").stat().st_mode == before


def test_a_folder_that_all_may_pass_is_left_alone(home: Path) -> None:
    home.chmod(0o755)
    (home / "inner").chmod(0o711)
    assert let_pass(home / "inner" / "data", NOBODY) == []
    assert os.listxattr(home) == []
