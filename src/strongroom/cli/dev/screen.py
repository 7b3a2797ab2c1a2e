"""What the supervisor says on the terminal: one line a step, seconds at its end."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

DIM, BOLD, RED, GREEN, YELLOW, PLAIN = "2", "1", "31", "32", "33", "0"


def styled(text: str, style: str) -> str:
    """Colour a text when somebody looks at it."""
    return f"\033[{style}m{text}\033[{PLAIN}m" if sys.stdout.isatty() else text


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


def heading(text: str) -> None:
    """Print a heading."""
    say(styled(text, BOLD))


def warn(text: str) -> None:
    """Print something that a person should notice, though all goes on."""
    over = "\r\033[K" if sys.stdout.isatty() else ""
    say(f"{over}  {styled('!', YELLOW)} {text}")


def fail(text: str) -> None:
    """Print why it ends, on standard error."""
    first, *rest = text.splitlines()
    mark = "\033[31m✗\033[0m" if sys.stderr.isatty() else "✗"
    print("\n".join([f"  {mark} {first}", *(f"    {line}" for line in rest)]), file=sys.stderr)


@contextmanager
def step(name: str, what: str) -> Iterator[None]:
    """Print the step's line when it is done, with its seconds."""
    begun = time.monotonic()
    pending = f"  · {name:<10} {what} …"
    if sys.stdout.isatty():
        print(styled(pending, DIM), end="", flush=True)
    try:
        yield
    except BaseException:
        if sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)
        raise
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    seconds = styled(f"{time.monotonic() - begun:5.1f} s", DIM)
    say(f"  {styled('✓', GREEN)} {name:<10} {what:<46} {seconds}")


def table(rows: Sequence[tuple[str, str]]) -> None:
    """Print pairs, the first column in one width."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"  {name:<{width}}  {value}")
