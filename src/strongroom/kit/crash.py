"""Named crash points: STRONGROOM_CRASH_AT="name:n" kills this process at the n-th pass of `name`.

They stand where a process may die at the worst moment, so that a test can make it die there.
"""

import itertools
import os
import signal
from collections import defaultdict
from collections.abc import Iterator

_passes: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))


def crash_point(name: str) -> None:
    """Die by SIGKILL here, if the environment asks for this pass of this point."""
    wanted = os.environ.get("STRONGROOM_CRASH_AT")
    if not wanted:
        return
    point, _, nth = wanted.rpartition(":")
    if point == name and next(_passes[name]) == int(nth):
        os.kill(os.getpid(), signal.SIGKILL)
