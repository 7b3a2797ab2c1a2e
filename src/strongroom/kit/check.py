"""Checks of what must hold. They stop the task and are counted; `assert` would vanish under -O."""

from strongroom.kit.errors import Impossible
from strongroom.kit.metrics import counter


def check(condition: bool, what_must_hold: str) -> None:
    """Raise Impossible unless the condition holds."""
    if not condition:
        counter("strongroom_impossible_total", "Broken invariants found in the code.").inc()
        raise Impossible(
            f"This must hold and does not: {what_must_hold}. It is an error in Strongroom itself; "
            "the task was stopped. Please report it with the request id."
        )
