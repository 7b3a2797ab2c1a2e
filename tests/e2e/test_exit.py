"""P9: the people leave with everything of the custodian's stopped, and move their money alone."""

import json
import subprocess
import tempfile
from pathlib import Path

import pytest

from strongroom.cli.dev.anvil import anvil_program
from strongroom.cli.dev.probes import call
from strongroom.cli.dev.program import running
from tests.e2e.stack import REPOSITORY, STRONGROOM, running_stack
from tests.factories.parts.place import free_base

WEEK_SECONDS = 7 * 86_400
OWNERS = ("anna", "boris")
PAYER_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
"""Anvil's second published account: anybody with gas money."""


class People:
    """What the people have: the package, a node's URL, their own keys."""

    def __init__(self, folder: Path, url: str, vault: str) -> None:
        self._folder, self._url, self._vault = folder, url, vault

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(STRONGROOM), "vault", "leave", self._vault, *words, "--node", self._url],
            env={"PATH": "/usr/bin:/bin"},
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def tell(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def act(self, *words: str) -> None:
        """Each owner signs on their own; anybody sends it."""
        signed = [self.tell(*words, "--key-file", f"{name}.key").strip() for name in OWNERS]
        given = [part for one in signed for part in ("--signature", one)]
        self.tell(*words, *given, "--payer-key-file", "payer.key")


@pytest.mark.timeout(600)
def test_p9_people_leave_while_no_process_of_the_custodians_runs() -> None:
    with tempfile.TemporaryDirectory(prefix="sr-") as place:
        folder, base = Path(place), free_base()
        home = folder / "people"
        home.mkdir()
        with running_stack(folder, base) as stack, stack.cast() as cast:
            vault, token = cast.diary.get("vault"), cast.diary.get("token")
            heir = cast.diary.get("supplier")
            held = cast.node.balance(vault, token)
            before = cast.node.balance(heir, token)
            for name in OWNERS:
                (home / f"{name}.key").write_text(cast.key(name).export_key())
        (home / "payer.key").write_text(PAYER_KEY)
        assert held > 0

        # Everything has ended: service, signer, database. Only the chain goes on.
        state = folder / "state" / "anvil" / "state.json"
        node = anvil_program(
            REPOSITORY, folder / "chain.log", base + 1, state=state, kept_states=None
        )
        with running(node):
            people = People(home, f"http://127.0.0.1:{base + 1}", vault)
            assert "No exit is announced" in people.tell("status")
            pay = ("pay", "--token", token, "--to", heir, "--units", str(held))
            assert people.run(*pay).returncode == 1, "the guard stands"
            people.act("announce")
            assert people.run("end", "--payer-key-file", "payer.key").returncode == 1
            call(base + 1, "evm_increaseTime", hex(WEEK_SECONDS))
            call(base + 1, "anvil_mine", "0x1")
            people.tell("end", "--payer-key-file", "payer.key")
            assert "its people move its money alone" in people.tell("status")
            people.act(*pay)
            assert balance(base + 1, token, vault) == 0
            assert balance(base + 1, token, heir) == before + held
            report = subprocess.run(
                [str(STRONGROOM), "vault", "inspect", vault, "--json", "--node",
                 f"http://127.0.0.1:{base + 1}"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert json.loads(report.stdout)["guarded"] is False


def balance(port: int, token: str, holder: str) -> int:
    data = "0x70a08231" + holder[2:].lower().rjust(64, "0")
    return int(str(call(port, "eth_call", {"to": token, "data": data}, "latest")), 16)
