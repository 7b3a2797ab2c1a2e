"""A machine without a network: a second signer with tokens, seed and journal of its own."""

import json
import subprocess
from pathlib import Path
from typing import Any

from strongroom.cli.dev.softhsm import SoftToken
from tests.factories.house import House, executable


class OfflineMachine:
    """Files go in and come out; nothing else does."""

    def __init__(self, house: House, folder: Path) -> None:
        """Its officers, people and screener are the house's."""
        token = SoftToken(folder / "token")
        token.prepare()
        self.folder = folder
        self._house = House(house.database, house.chain, folder, token)
        self._house.screener_key = house.screener_key

    def found(self, spending: int) -> list[str]:
        """Tokens, keys, seed and so many spending keys of account 0; gives their addresses."""
        self._house.found("--kind", "cold")
        out = self.folder / "account-0.json"
        words = ("--index", "0", "--count", "0", "--spending", str(spending), "--out", str(out))
        self._house.ceremony("account", *words)
        return [str(key["address"]) for key in json.loads(out.read_text())["spending"]]

    def deliver(self, requests: dict[str, Any]) -> dict[str, Any]:
        """Take a file of requests to it; what it answers."""
        request, out = self.folder / "requests.json", self.folder / "answers.json"
        request.write_text(json.dumps(requests))
        environment = self._house.signer_environment()
        del environment["STRONGROOM_VAULT_PIN_FILES"], environment["STRONGROOM_SIGNER_SOCKET"]
        words = [
            executable("strongroom-signer"),
            "deliver",
            str(request),
            "--out",
            str(out),
            "--yes",
        ]
        done = subprocess.run(
            words,
            env={**environment, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        return dict(json.loads(out.read_text()))
