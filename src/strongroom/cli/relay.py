"""`strongroom relay`: send what is signed, dispatch the outbox, sequence and sign the log."""

import signal
import sys
import threading

from strongroom.bootstrap.relay import build
from strongroom.config import Config
from strongroom.kit import log
from strongroom.kit.errors import StrongroomError

_USAGE = "usage: strongroom relay   (takes no arguments; STRONGROOM_… variables configure it)"


def run(args: list[str]) -> int:
    """Run until the process is told to end; 0, or 1 when it cannot start."""
    if args:
        print(_USAGE)
        return 0 if args in (["-h"], ["--help"]) else 2
    config = Config.from_environment()
    log.configure("relay", json=config.log_json)
    try:
        process = build(config)
    except StrongroomError as error:
        print(f"strongroom relay: {error.message}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    process.run(stop)
    return 0
