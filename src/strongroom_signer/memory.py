"""Keep secrets out of swap and core files: lock the memory, forbid dumps (Linux)."""

from __future__ import annotations

import ctypes
import resource

PR_SET_DUMPABLE = 4
MCL_CURRENT, MCL_FUTURE = 1, 2


def harden_process() -> list[str]:
    """No core dump, no attaching by the same user, memory locked. Returns what could not be done,
    in words; locking may need a higher memlock limit.
    """
    warnings: list[str] = []
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        warnings.append("the process could not be made undumpable")
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    # With a low limit MCL_FUTURE would make later allocations fail, so only lock what is there.
    flags = MCL_CURRENT | (MCL_FUTURE if soft == resource.RLIM_INFINITY else 0)
    if libc.mlockall(flags) != 0:
        warnings.append(
            "memory is not locked (raise the memlock limit: ulimit -l unlimited), so a secret "
            "could reach the swap"
        )
    return warnings


def wipe(secret: bytearray) -> None:
    """Overwrite a secret in place."""
    for position in range(len(secret)):
        secret[position] = 0
