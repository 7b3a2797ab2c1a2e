"""`strongroom COMMAND …`: finds the command's file and hands over the arguments.

A command is imported only when it is called, so that `strongroom hd` needs no database driver.
"""

import importlib
import sys
from collections.abc import Callable, Sequence

COMMANDS: dict[str, str] = {
    "api": "serve the REST API and the console",
    "indexer": "follow the chain and book what touches us",
    "relay": "send what is signed, dispatch the outbox, sequence the log",
    "screener": "judge who sends and who receives; `screener key` makes its key",
    "worker": "run the jobs that Celery carries",
    "beat": "insert the jobs that are due",
    "db": "`db migrate`: create the database, its roles and tables",
    "deploy": "deploy the platform's contracts at their deterministic addresses",
    "vault": "`vault inspect | adopt | leave | changes | queue`: a Safe, its people, its changes",
    "hd": "`hd addresses`: derive deposit addresses from an account xpub, offline",
    "custody": "`custody record`: put a key ceremony's transcript into the audit log",
    "policy": "`policy template|validate|diff|show|rehearse`: a policy as a document, in words",
    "webhooks": "`webhooks list|log|replay|test|enable|disable`: what clients' programs are told",
    "log": "`log verify`: join the database's state to the audit log",
    "dev": "the whole of Strongroom on this machine, on embedded parts",
}


def usage() -> str:
    """Return the help text: one line a command."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "usage: strongroom COMMAND [ARG ...]\n\n" + "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (2 when there is no such command)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help", "help"}:
        sys.stdout.write(usage() + "\n")
        return 0 if words else 2
    if words[0] not in COMMANDS:
        sys.stderr.write(f"strongroom: there is no command {words[0]!r}.\n\n{usage()}\n")
        return 2
    module = importlib.import_module(f"strongroom.cli.{words[0]}")
    run: Callable[[list[str]], int] = module.run
    return run(words[1:])
