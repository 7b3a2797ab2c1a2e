"""A machine without a network: a second signer with tokens, seed and journal of its own."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strongroom.cli.dev.softhsm import SoftToken
from tests.factories.house import executable


class OfflineMachine:
    """Files go in and come out; nothing else does."""

    def __init__(self, folder: Path, chain_id: int, founding: Sequence[str]) -> None:
        """`founding`: what `ceremony init` is told beside its kind."""
        token = SoftToken(folder / "token")
        token.prepare()
        self.folder = folder
        self._founding = founding
        self._environment = {
            "PATH": "/usr/bin:/bin",
            **token.environment(),
            "STRONGROOM_SIGNER_DIR": str(folder / "signer"),
            "STRONGROOM_SIGNER_PIN_FILE": str(folder / "signer-pin"),
            "STRONGROOM_CHAIN_ID": str(chain_id),
        }

    def found(self, account: int, spending: int) -> list[str]:
        """Tokens, keys, seed and so many spending keys of an account; gives their addresses."""
        out = self.folder / "account.json"
        parts = {"STRONGROOM_VAULT_PIN_FILES": f"{self.folder}/vault-a,{self.folder}/vault-b"}
        amount = ("--index", str(account), "--count", "0", "--spending", str(spending))
        for words in (
            ("init", "--kind", "cold", *self._founding),
            ("new",),
            ("account", *amount, "--out", str(out)),
        ):
            self._run(parts, "ceremony", *words, "--json")
        return [str(key["address"]) for key in json.loads(out.read_text())["spending"]]

    def deliver(self, requests: Mapping[str, Any]) -> dict[str, Any]:
        """Take a file of requests to it; what it answers."""
        request, out = self.folder / "requests.json", self.folder / "answers.json"
        request.write_text(json.dumps(requests))
        self._run({}, "deliver", str(request), "--out", str(out), "--yes", refusals=1)
        return dict(json.loads(out.read_text()))

    def _run(self, more: Mapping[str, str], *words: str, refusals: int = 0) -> None:
        done = subprocess.run(
            [executable("strongroom-signer"), *words],
            env={**self._environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode <= refusals, done.stderr
