"""`strongroom-signer serve | deliver | audit | ceremony …`: all that reaches the tokens."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pkcs11 import PKCS11Error

from strongroom_signer import deliver
from strongroom_signer.audit import command as audit
from strongroom_signer.ceremony import commands
from strongroom_signer.errors import TokenLost, Unfit
from strongroom_signer.serve.start import serve
from strongroom_signer.settings import Settings

EXIT_REFUSED = 1
EXIT_TOKEN_LOST = 75
EXIT_UNFIT = 78


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; leaves with 0, 1 (refused, or failed the audit), 75 (token lost) or 78 (unfit),
    with a sentence on stderr.
    """
    parser = argparse.ArgumentParser(prog="strongroom-signer", description=__doc__)
    verbs = parser.add_subparsers(dest="command", required=True)
    verbs.add_parser("serve", help="serve the socket until SIGTERM")
    deliver.add_parser(verbs)
    audit.add_parser(verbs)
    commands.add_parser(verbs)
    parsed = parser.parse_args(arguments)
    try:
        if parsed.command in ("deliver", "audit"):
            run = deliver.run if parsed.command == "deliver" else audit.run
            sys.exit(0 if run(parsed, os.environ) else EXIT_REFUSED)
        elif parsed.command == "serve":
            serve(Settings.from_environment(os.environ))
        else:
            commands.run(parsed, Settings.from_environment(os.environ))
    except Unfit as unfit:
        print(f"strongroom-signer: {unfit}", file=sys.stderr)
        sys.exit(EXIT_UNFIT)
    except TokenLost as lost:
        print(f"strongroom-signer: token lost: {lost}. Start it again.", file=sys.stderr)
        sys.exit(EXIT_TOKEN_LOST)
    except PKCS11Error as error:
        print(f"strongroom-signer: the token refused: {type(error).__name__}", file=sys.stderr)
        sys.exit(EXIT_UNFIT)


if __name__ == "__main__":
    main()
