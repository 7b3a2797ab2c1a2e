"""One Solidity file compiled by the same front as the contracts; for contracts that tests own."""

import json
import subprocess
from functools import cache
from pathlib import Path

from tests.factories.parts.place import REPOSITORY


@cache
def runtime_code(path: Path) -> bytes:
    """Runtime bytecode of the contract that has the file's name."""
    asked = {
        "language": "Solidity",
        "sources": {path.name: {"content": path.read_text()}},
        "settings": {
            "optimizer": {"enabled": True},
            "outputSelection": {"*": {"*": ["evm.deployedBytecode.object"]}},
        },
    }
    done = subprocess.run(
        ["node", REPOSITORY / "contracts/solc", "--standard-json"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert "contracts" in answer, answer
    found: str = answer["contracts"][path.name][path.stem]["evm"]["deployedBytecode"]["object"]
    return bytes.fromhex(found)
