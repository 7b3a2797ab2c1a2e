"""A supervisor over the real parts and one program of our own that has a child: run by tests."""

import sys
from pathlib import Path

from strongroom.cli.dev.ports import Ports
from strongroom.cli.dev.program import Program, ProgramFailed
from strongroom.cli.dev.state import State
from strongroom.cli.dev.supervisor import Interrupted, Patience, Supervisor
from strongroom.cli.dev.table import Table

PARENT = (
    "import subprocess, sys, time; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
)
PATIENCE = Patience(pauses_seconds=(0.1,), deaths_max=3)


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(folder: Path, base: int, parent: str) -> int:
    """Start everything, say `up`, and watch until told to stop."""
    state = State(folder)
    state.open(fresh=False)
    table = Table(Path.cwd(), state, Ports(base))
    ours = Program(
        name="ours",
        argv=(sys.executable, "-c", parent),
        log=state.logs / "ours.log",
        crash_at="x:1",
    )
    try:
        with Supervisor(state.pids, state.write_pids, say, PATIENCE) as supervisor:
            table.postgres.prepare()
            supervisor.start(table.parts())
            state.finish()
            supervisor.start([ours])
            say("up")
            supervisor.watch()
    except Interrupted:
        say("stopped")
    except ProgramFailed as error:
        say(f"failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if sys.argv[3:] else PARENT))
