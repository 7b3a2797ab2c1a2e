"""Garbage collection in a process that holds a million addresses and reads thousands of logs a
second: what was loaded is not looked through again and again, and what is young only by many.
"""

import gc
from typing import Final

YOUNG_MAX: Final = 50_000
"""Objects that may be garbage in cycles before they are looked through: some megabytes at most.
Nearly all of what a block brings goes by its count of references."""


def settle() -> None:
    """Leave what this process holds now alone, and look at what comes in larger parts. Called
    again, it first looks at what was left alone before.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX)
