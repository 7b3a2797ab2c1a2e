"""Named crash points: STRONGROOM_CRASH_AT="name:n" kills this process at the n-th pass of `name`.
Only tests set it; the points are the places where a crash would hurt most.
"""

from __future__ import annotations

import os
import signal
from collections import Counter


class CrashPoints:
    """Counts passes and sends SIGKILL to the own process at the one asked for."""

    def __init__(self, wanted: str | None) -> None:
        name, _, number = (wanted or "").partition(":")
        self._name = name
        self._number = int(number or "1")
        self._passes: Counter[str] = Counter()

    def pass_by(self, name: str) -> None:
        """Die here, without any clean-up, if this is the pass that was asked for."""
        self._passes[name] += 1
        if name == self._name and self._passes[name] == self._number:
            os.kill(os.getpid(), signal.SIGKILL)
