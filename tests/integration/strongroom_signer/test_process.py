"""P4, P10: the signer as a process: crashes, restarts, a rewound journal, its socket."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from strongroom.cli.dev.softhsm import SoftToken
from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.authority import parse_bundle
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.wire import HEADER_BYTES, body_length, frame, parse_body
from strongroom_signer.authority.epochs import StoreEpoch
from strongroom_signer.token.pins import join_parts
from tests.factories.parts.place import short_folder
from tests.integration.strongroom_signer.people import CHAIN_ID, OFFICERS, SCREENER, Company
from tests.integration.strongroom_signer.test_relay import ask_for, decoded, sweep

Body = dict[str, Any]


@dataclass
class Signer:
    """`strongroom-signer` in child processes on tokens of its own."""

    folder: Path
    environment: dict[str, str]
    child: subprocess.Popen[bytes] | None = None
    accounts: dict[int, Body] = field(default_factory=dict)
    permit: Address = ZERO

    @property
    def socket_path(self) -> Path:
        return self.folder / "s.sock"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "strongroom_signer.main", *words]
        return subprocess.run(
            line, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def ceremony(self, *words: str) -> Body:
        done = self.command("ceremony", *words, "--json")
        assert done.returncode == 0, done.stderr
        found: Body = json.loads(done.stdout)
        return found

    def init(self) -> Body:
        words = [word for key in OFFICERS for word in ("--officer", checksum(key.address))]
        screener = SCREENER.public_key().public_bytes_raw().hex()
        words += ["--officer-quorum", "2", "--screener-key", screener]
        facts = self.ceremony("init", *words)
        self.permit = parse_address(facts["keys"]["permit"])
        return facts

    def start(self, *, pass_fds: tuple[int, ...] = (), **more: str) -> None:
        if self.child is not None:
            self.child.wait(timeout=20)
        environment = {
            name: value
            for name, value in self.environment.items()
            if name != "STRONGROOM_VAULT_PIN_FILES"
        }
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "strongroom_signer.main", "serve"],
                env=environment | more,
                stderr=log,
                stdout=log,
                pass_fds=pass_fds,
            )
        for _ in range(400):
            if self.child.poll() is not None or self._answers():
                return
            time.sleep(0.02)
        raise AssertionError("the signer does not come up")

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.child is not None
        if self.child.poll() is None:
            self.child.send_signal(number)
        return self.child.wait(timeout=20)

    def ask(self, op: str, body: Body) -> Body:
        return self.send(frame({"op": op, "trace": "t", "body": body}))

    def get(self, op: str, body: Body) -> Body:
        answer = self.ask(op, body)
        assert answer["ok"], answer
        found: Body = answer["body"]
        return found

    def send(self, data: bytes) -> Body:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.socket_path))
            connection.sendall(data)
            return parse_body(_exactly(connection, body_length(_exactly(connection, HEADER_BYTES))))

    def founders(self, name: str, account: int = 0) -> Company:
        now = int(time.time())
        return Company(name, self.accounts[account], now, permit_signer=self.permit)

    def company(self) -> Company:
        company = self.founders("Process")
        self.get("policy_first", company.policy_first())
        return company

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self.socket_path))
        except OSError:
            return False
        return True


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise ConnectionError("the signer hung up")
        data += part
    return data


def signer_in(folder: Path) -> Signer:
    token = SoftToken(folder / "hsm")
    token.prepare()
    environment = {
        **os.environ,
        **token.environment(),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "STRONGROOM_SIGNER_DIR": str(folder / "signer"),
        "STRONGROOM_SIGNER_PIN_FILE": str(folder / "signer.pin"),
        "STRONGROOM_VAULT_PIN_FILES": f"{folder / 'vault-a.pin'},{folder / 'vault-b.pin'}",
        "STRONGROOM_SIGNER_SOCKET": str(folder / "s.sock"),
        "STRONGROOM_CHAIN_ID": str(CHAIN_ID),
    }
    return Signer(folder, environment)


@pytest.fixture(scope="module")
def founded() -> Iterator[Signer]:
    """After the ceremony, before the first start: copied for each test, never served itself."""
    with short_folder("sgf") as place:
        made = signer_in(Path(place))
        made.init()
        made.ceremony("new")
        out = str(made.folder / "account.json")
        made.accounts[0] = made.ceremony(
            "account", "--index", "0", "--count", "2", "--spending", "1", "--out", out
        )
        yield made


@pytest.fixture
def signer(founded: Signer) -> Iterator[Signer]:
    with short_folder("sgn") as place:
        shutil.copytree(founded.folder, place, dirs_exist_ok=True)
        made = signer_in(Path(place))
        made.accounts, made.permit = founded.accounts, founded.permit
        yield made
        if made.child is not None:
            made.stop(signal.SIGKILL)


def test_ceremony_run_again_changes_nothing_and_refuses_other_officers(signer: Signer) -> None:
    words = [word for key in OFFICERS for word in ("--officer", checksum(key.address))]
    screener = SCREENER.public_key().public_bytes_raw().hex()
    again = signer.ceremony("init", *words, "--officer-quorum", "2", "--screener-key", screener)
    assert again["epoch"] == 1
    assert signer.ceremony("new") == {"made": False}
    other = signer.command("ceremony", "init", *words[:4], "--screener-key", screener)
    assert other.returncode == 78
    assert "nothing was changed" in other.stderr
    out = str(signer.folder / "more.json")
    more = signer.ceremony("account", "--index", "0", "--count", "4", "--out", out)
    assert more["addresses"][:2] == signer.accounts[0]["addresses"]
    assert json.loads(Path(out).read_text()) == more
    assert stat.S_IMODE(Path(out).stat().st_mode) == 0o600


def test_a_new_account_is_made_while_the_signer_serves(signer: Signer) -> None:
    signer.start()
    company = signer.company()
    out = str(signer.folder / "second.json")
    second = signer.ceremony("account", "--index", "1", "--count", "3", "--out", out)
    assert signer.get("status", {})["pool"] == {"0": 2, "1": 3}
    assert signer.get("provenance", {"organisation": company.reference, "index": 1})["signature"]
    signer.accounts[1] = second
    other = signer.founders("Second", 1)
    signer.get("policy_first", other.policy_first())
    decoded(signer.get("relay", ask_for(other, "sweep", **sweep(other))))


@pytest.mark.parametrize("point", ["sign.before_journal", "sign.after_journal", "sign.after_sign"])
def test_crash_around_the_signature_then_retry_keeps_nonce_and_call(
    signer: Signer, point: str
) -> None:
    signer.start()
    company = signer.company()
    signer.stop()
    signer.start(STRONGROOM_CRASH_AT=f"{point}:1")
    body = ask_for(company, "vault_creation")
    with pytest.raises(OSError, match=r"hung up|reset"):
        signer.get("relay", body)
    assert signer.stop() == -signal.SIGKILL
    signer.start()
    answer = signer.get("relay", body)
    assert decoded(answer)["nonce"] == 0
    signer.stop(signal.SIGKILL)
    signer.start()
    assert signer.get("relay", body) == answer
    assert signer.get("relay", ask_for(company, "delegate_deployment", "b"))["nonce"] == 1


def test_crash_around_a_permit_then_retry_pays_once(signer: Signer) -> None:
    signer.start()
    company = signer.company()
    keys = signer.get("status", {})["keys"]
    deployment = Deployment(CHAIN_ID, parse_address(keys["relay"]))
    intent = company.intent(deployment.vault_address(parse_bundle(company.bundle)))
    signer.stop()
    signer.start(STRONGROOM_CRASH_AT="sign.after_journal:1")
    with pytest.raises(OSError, match=r"hung up|reset"):
        signer.get("vault_permit", company.payment(intent, 0))
    signer.start()
    first = signer.get("vault_permit", company.payment(intent, 0))
    assert signer.get("vault_permit", company.payment(intent, 0)) == first
    second = signer.ask("vault_permit", company.payment(intent, 1))
    assert second["code"] == "signer.request_differs"


def test_an_older_journal_is_refused_until_the_officers_open_an_epoch(signer: Signer) -> None:
    signer.start()
    company = signer.company()
    signer.stop()
    store, copy = signer.folder / "signer", signer.folder / "copy"
    shutil.copytree(store, copy)
    signer.start()
    created = signer.get("relay", ask_for(company, "vault_creation"))
    assert created["nonce"] == 0
    signer.stop()
    shutil.rmtree(store)
    shutil.copytree(copy, store)
    signer.start()
    assert signer.stop() == 78
    assert "an older or foreign copy" in signer.log
    hot = company.account["spending"][0]["address"]
    few = signer.command("ceremony", "epoch", "--nonce", f"{created['from']}=1")
    assert (few.returncode, hot in few.stderr) == (78, True)
    asked = ["epoch", "--nonce", f"{created['from']}=1", "--nonce", f"{hot}=5"]
    statement = StoreEpoch.from_fields(signer.ceremony(*asked)["message"])
    assert statement.epoch == 2
    digest = statement.digest(CHAIN_ID)
    one = signer.command("ceremony", *asked, "--officer-signature", OFFICERS[0].sign(digest))
    assert one.returncode == 78
    both = [
        word for key in OFFICERS[:2] for word in ("--officer-signature", key.sign(digest))
    ]  # fmt: skip
    assert signer.ceremony(*asked, *both) == {"epoch": 2}
    signer.start()
    assert signer.get("status", {})["epoch"] == 2
    assert signer.get("relay", ask_for(company, "vault_creation"))["nonce"] == 1


def test_a_missing_journal_is_refused(signer: Signer) -> None:
    signer.start()
    signer.stop()
    (signer.folder / "signer" / "journal.sqlite").unlink()
    signer.start()
    assert signer.stop() == 78
    assert "an older or foreign copy" in signer.log


def test_a_changed_configuration_is_refused(signer: Signer) -> None:
    path = signer.folder / "signer" / "config.json"
    path.write_text(path.read_text().replace('"officer_quorum":2', '"officer_quorum":1'))
    signer.start()
    assert signer.stop() == 78
    assert "seal" in signer.log


def test_a_changed_key_table_is_refused(signer: Signer) -> None:
    signer.start()
    company = signer.company()
    signer.stop()
    with sqlite3.connect(signer.folder / "signer" / "pool.sqlite") as pool:
        pool.execute("UPDATE sealed_key SET wrapped = zeroblob(72)")
    pool.close()
    signer.start()
    answer = signer.ask("relay", ask_for(company, "sweep", **sweep(company)))
    assert answer["code"] == "signer.key_table_changed"


def test_health_is_told_on_loopback_only_when_asked_for(signer: Signer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    signer.start(STRONGROOM_HEALTH_PORT=str(port))
    signer.get("status", {})
    time.sleep(0.5)
    for path, words in (("healthz", "ok"), ("readyz", "ok"), ("metrics", 'op="status"')):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            assert words in answer.read().decode()


def test_socket_is_for_the_owner_and_malformed_frames_harm_nobody(signer: Signer) -> None:
    signer.start()
    assert stat.S_IMODE(signer.socket_path.stat().st_mode) == 0o600
    for data in (
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02[]",
        b"\x00\x00\x00\x02{ ",
        b'\x00\x00\x00\x09{"a":1.5}',
        b'\x00\x00\x00\x0d{"a":1,"a":1}',
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        answer = signer.send(data)
        assert answer["code"] == "signer.frame_malformed", data
    assert signer.get("status", {})["epoch"] == 1
    again = signer.command("serve")
    assert again.returncode == 78
    assert "another signer" in again.stderr


def test_another_user_is_refused_at_the_socket(signer: Signer) -> None:
    signer.start(STRONGROOM_SIGNER_ALLOWED_UIDS="12345")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(signer.socket_path))
        answer = parse_body(_exactly(connection, body_length(_exactly(connection, HEADER_BYTES))))
    assert answer["code"] == "signer.peer_unknown"


def test_no_secret_reaches_log_or_store(signer: Signer) -> None:
    signer.start()
    signer.company()
    signer.stop()
    names = ("signer.pin", "vault-a.pin", "vault-b.pin")
    pins = [(signer.folder / name).read_text().strip() for name in names]
    pins.append(join_parts(pins[1:]))
    stored = b"".join(
        path.read_bytes() for path in (signer.folder / "signer").iterdir() if path.is_file()
    )
    for pin in pins:
        assert pin not in signer.log
        assert pin.encode() not in stored
    for path in (signer.folder / "signer").glob("*.sqlite"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_chain_than_the_sealed_one_is_refused(signer: Signer) -> None:
    signer.environment["STRONGROOM_CHAIN_ID"] = "1"
    done = signer.command("serve")
    assert done.returncode == 78
    assert "sealed for chain" in done.stderr
