"""A loop that never dies silently: steps until it is told to stop, backs off when a step fails."""

import threading
from collections.abc import Callable
from typing import Final

from strongroom.kit.log import logger
from strongroom.kit.metrics import counter, gauge

BACK_OFF_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""How long to wait after the first, second, … failure in a row; the last one for all after it."""


class Loop:
    """Runs `step` until `stop` is set. A step that returns True has worked: go on at once."""

    def __init__(
        self, name: str, step: Callable[[], bool], idle_seconds: float, stop: threading.Event
    ) -> None:
        """`name` appears in logs and metrics."""
        self.name = name
        self._step = step
        self._idle_seconds = idle_seconds
        self._stop = stop
        self._failures = 0
        self._last_error = ""

    def run(self) -> None:
        """Loop in this thread until stopped."""
        while not self._stop.is_set():
            pause = self.once()
            if pause > 0:
                self._stop.wait(pause)

    def start(self) -> threading.Thread:
        """Loop in a thread of its own, which ends soon after `stop` is set."""
        thread = threading.Thread(target=self.run, name=self.name, daemon=True)
        thread.start()
        return thread

    def once(self) -> float:
        """One step. Gives the seconds to wait before the next."""
        try:
            worked = self._step()
        except Exception as error:  # noqa: BLE001 - a loop must outlive whatever a step raises
            self._last_error = f"{type(error).__name__}: {error}"
            pause = BACK_OFF_SECONDS[min(self._failures, len(BACK_OFF_SECONDS) - 1)]
            self._failures += 1
            self._count_failure()
            logger(__name__).exception("loop.failed", loop=self.name, again_in_seconds=pause)
            return pause
        self._failures = 0
        gauge("strongroom_loop_failing", "1 while the last step failed.", ("loop",)).labels(
            self.name
        ).set(0)
        return 0.0 if worked else self._idle_seconds

    def check(self) -> None:
        """A health check: raises while the steps fail three times in a row or more."""
        if self._failures >= 3:
            raise RuntimeError(f"The loop {self.name} keeps failing: {self._last_error}")

    def _count_failure(self) -> None:
        counter("strongroom_loop_failures_total", "Steps that failed.", ("loop",)).labels(
            self.name
        ).inc()
        gauge("strongroom_loop_failing", "1 while the last step failed.", ("loop",)).labels(
            self.name
        ).set(1)
