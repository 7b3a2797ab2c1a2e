"""PostgreSQL refuses to run as root; so a root supervisor runs it as `nobody`.

`nobody` must then pass through the folders above the programs and the data, /root perhaps among
them. It gets an access control entry with the right to pass, and nothing else (acl(5)); where
the file system knows no such entries, the folder is opened for passing to all (chmod o+x).
"""

import os
import pwd
import stat
import struct
from contextlib import suppress
from pathlib import Path

from strongroom.cli.dev.program import Account

ACL_ATTRIBUTE = "system.posix_acl_access"
ACL_VERSION = 2
NO_ID = 0xFFFFFFFF
USER_OBJ, USER, GROUP_OBJ, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
PASS = 0x1


def unprivileged_account() -> Account | None:
    """Return the account for programs that refuse root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def let_pass(path: Path, account: Account) -> list[Path]:
    """Let the account reach path through its parents; return the folders that were opened."""
    opened = []
    for folder in reversed(path.resolve().parents):
        status = folder.stat()
        owned = status.st_uid == account.uid and status.st_mode & stat.S_IXUSR
        if owned or status.st_mode & stat.S_IXOTH:
            continue
        _grant_pass(folder, status.st_mode, account)
        opened.append(folder)
    return opened


def _grant_pass(folder: Path, mode: int, account: Account) -> None:
    listed = _access_list(folder)
    if struct.pack("<HHI", USER, PASS, account.uid) in listed:
        return
    if not listed:  # a list that somebody else keeps here is not rewritten
        with suppress(OSError):
            os.setxattr(folder, ACL_ATTRIBUTE, _entries(mode, account))
            return
    folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _access_list(folder: Path) -> bytes:
    try:
        return os.getxattr(folder, ACL_ATTRIBUTE)
    except OSError:
        return b""


def _entries(mode: int, account: Account) -> bytes:
    group = (mode >> 3) & 7
    rows = (
        (USER_OBJ, (mode >> 6) & 7, NO_ID),
        (USER, PASS, account.uid),
        (GROUP_OBJ, group, NO_ID),
        (MASK, group | PASS, NO_ID),
        (OTHER, mode & 7, NO_ID),
    )
    packed = (struct.pack("<HHI", tag, rights, who) for tag, rights, who in rows)
    return struct.pack("<I", ACL_VERSION) + b"".join(packed)
