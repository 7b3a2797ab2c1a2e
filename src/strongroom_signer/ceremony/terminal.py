"""What a person at the ceremony sees and types. Secrets are typed unseen; shown only on the
terminal's second screen, which leaves nothing to scroll back to.
"""

from __future__ import annotations

import getpass
import secrets
import sys
from collections.abc import Sequence

from strongroom_signer.errors import Unfit

_SECOND_SCREEN, _FIRST_SCREEN = "\033[?1049h\033[2J\033[H", "\033[2J\033[H\033[?1049l"
CHECKED_WORDS = 3
SHOWN_MAX = 5


def say(words: str) -> None:
    """To the person; standard output stays free for --json."""
    print(words, file=sys.stderr, flush=True)


def is_there() -> bool:
    """Whether a person sits at this terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> str:
    """One line, visible."""
    sys.stderr.write(question + " ")
    sys.stderr.flush()
    return _line()


def ask_secret(question: str) -> str:
    """One line that is not shown; from standard input when no terminal is there."""
    if not is_there():
        return _line()
    return getpass.getpass(question + " ", stream=sys.stderr).strip()


def confirm(question: str) -> bool:
    """Yes, in full, or no."""
    return ask(f"{question} [yes/no]").lower() == "yes"


def show_share(title: str, share: str) -> None:
    """One officer's share, alone on the screen; cleared, then three words are asked back.

    Raises Unfit when the officer gives up.
    """
    words = share.split()
    ask(f"{title}. Let nobody else see the screen. Press Enter when you are alone.")
    for _ in range(SHOWN_MAX):
        sys.stderr.write(_SECOND_SCREEN)
        try:
            say(f"{title}. Write these {len(words)} words down, in this order:\n")
            say(_table(words))
            ask("\nPress Enter when they stand on paper; the screen is cleared.")
        finally:
            sys.stderr.write(_FIRST_SCREEN)
            sys.stderr.flush()
        if _knows(words):
            say(f"{title}: right. Keep it where the others' are not.")
            return
        if not confirm("A word was wrong. Show the share again?"):
            break
    raise Unfit("a share was not written down: make the shares again")


def _knows(words: Sequence[str]) -> bool:
    asked = sorted(secrets.SystemRandom().sample(range(len(words)), CHECKED_WORDS))
    answers = [ask_secret(f"Word {number + 1} (not shown while you type):") for number in asked]
    return answers == [words[number] for number in asked]


def _table(words: Sequence[str]) -> str:
    cells = [f"{number:>4}. {word:<12}" for number, word in enumerate(words, 1)]
    return "\n".join("".join(cells[start : start + 4]) for start in range(0, len(cells), 4))


def _line() -> str:
    line = sys.stdin.readline()
    if not line:
        raise Unfit("the ceremony was left at a question; what was done so far stands")
    return line.strip()
