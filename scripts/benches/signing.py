"""Signed payments a second through the signer's socket, beside bare C_Sign on the same token."""

import argparse
import json
import multiprocessing
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account

from benches.load import Driven, drive
from benches.report import in_turns, report
from strongroom.cli.dev.softhsm import SoftToken
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.wire import frame, parse_body
from tests.integration.strongroom_signer.people import CHAIN_ID, OFFICERS, SCREENER, Company
from tests.integration.strongroom_signer.spending import hot_intent, key_entry, limit, spend

COMPANIES = 8
LEAVES = 100
CONNECTIONS = 32
SEED = 20_261_122
BLOBS = 100_000
ENDLESS = 10**30
TOKEN, KEY = "strongroom-signer", "strongroom relay"
PERCENT = 100


@dataclass
class Signer:
    """`strongroom-signer` on tokens and a journal of its own, with organisations that pay."""

    folder: Path
    environment: dict[str, str]
    child: subprocess.Popen[bytes] | None = None
    companies: list[Company] = field(default_factory=list)
    signed: int = 0

    @classmethod
    def founded(cls, folder: Path, name: str) -> "Signer":
        """After the ceremony, with its organisations' accounts."""
        token = SoftToken(folder / "hsm")
        token.prepare()
        signer = cls(
            folder,
            {
                **os.environ,
                **token.environment(),
                "STRONGROOM_SIGNER_DIR": str(folder / "signer"),
                "STRONGROOM_SIGNER_PIN_FILE": str(folder / "signer.pin"),
                "STRONGROOM_SIGNER_SOCKET": str(folder / "s.sock"),
                "STRONGROOM_CHAIN_ID": str(CHAIN_ID),
            },
        )
        officers = [word for key in OFFICERS for word in ("--officer", checksum(key.address))]
        screener = SCREENER.public_key().public_bytes_raw().hex()
        facts = signer.ceremony("init", *officers, "--screener-key", screener)
        permit = parse_address(facts["keys"]["permit"])
        signer.ceremony("new")
        for index in range(COMPANIES):
            account, now = signer.account(index, LEAVES), int(time.time())
            company = Company(f"{name} {index}", account, now, permit_signer=permit)
            signer.companies.append(company)
        return signer

    def ceremony(self, *words: str) -> dict[str, Any]:
        """One act of the key ceremony, by the command."""
        pins = f"{self.folder / 'vault-a.pin'},{self.folder / 'vault-b.pin'}"
        done = subprocess.run(
            [sys.executable, "-m", "strongroom_signer.main", "ceremony", *words, "--json"],
            env=self.environment | {"STRONGROOM_VAULT_PIN_FILES": pins},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"signing: ceremony {words[0]} failed: {done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def account(self, index: int, leaves: int) -> dict[str, Any]:
        """An account with a spending key."""
        out = str(self.folder / f"account-{index}.json")
        words = ("--index", str(index), "--count", str(leaves), "--spending", "1", "--out", out)
        return self.ceremony("account", *words)

    def start(self) -> float:
        """Serve; seconds until the first answer."""
        begun = time.perf_counter()
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "strongroom_signer.main", "serve"],
                env=self.environment,
                stderr=log,
                stdout=log,
            )
        while self.child.poll() is None:
            try:
                self.ask("status", {})
            except OSError:
                time.sleep(0.002)
            else:
                return time.perf_counter() - begun
        sys.exit(f"signing: the signer did not start; see its log:\n{self.log()}")

    def stop(self) -> None:
        """A clean end."""
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            self.child.wait(timeout=60)

    def log(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "log").read_text()[-2000:]

    def ask(self, op: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request and its answer."""
        answer = parse_body(drive(self.socket, [request(op, body)], 1).answers[0])
        if not answer["ok"]:
            sys.exit(f"signing: {op} was refused: {answer}")
        found: dict[str, Any] = answer["body"]
        return found

    def found(self) -> None:
        """Register every organisation: a hot key, two approvers, limits beyond this run."""
        for company in self.companies:
            entry = key_entry(company.account["spending"][0]["address"], threshold=2)
            limits = [limit(asset, ENDLESS, ENDLESS) for asset in ("ETH/18", "TUSD/6")]
            company.bundle |= {"spending": [entry | {"limits": limits}], "limits": limits}
            rows = [row | {"day_units": str(ENDLESS)} for row in company.bundle["vault"]["limits"]]
            company.bundle["vault"] |= {"limits": rows}
            self.ask("policy_first", company.policy_first())

    def payments(self, count: int) -> list[bytes]:
        """New payments of all organisations in turn, signed by their people and the screener."""
        each = -(-count // len(self.companies))
        with multiprocessing.get_context("fork").Pool(2) as pool:
            made = pool.starmap(payments, [(company, each) for company in self.companies])
        for company in self.companies:
            company.nonce += each
        return [one for turn in zip(*made, strict=True) for one in turn][:count]

    def pay(self, count: int, connections: int = CONNECTIONS) -> Driven:
        """Have so many payments signed as fast as it goes."""
        driven = drive(self.socket, self.payments(count), connections)
        self.signed += count
        return driven

    @property
    def socket(self) -> Path:
        """Where it serves."""
        return self.folder / "s.sock"

    def cpu_seconds(self) -> float:
        """User and system time of the process until now."""
        words = self._proc("stat").rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Resident memory now."""
        pages = int(self._proc("statm").split()[1])
        return round(pages * resource.getpagesize() / 2**20, 1)

    def _proc(self, name: str) -> str:
        pid = 0 if self.child is None else self.child.pid
        return Path(f"/proc/{pid}/{name}").read_text()


def request(op: str, body: dict[str, Any]) -> bytes:
    """A frame as the service sends it."""
    return frame({"op": op, "trace": "0123456789abcdef", "body": body})


def payments(company: Company, count: int) -> list[bytes]:
    """Frames of `count` payments of one organisation, each with an intent of its own."""
    found = []
    for _ in range(count):
        body = spend(company, hot_intent(company), company.approvers[:2])
        found.append(request("spending_payment", body))
    return found


def bare_rate(environment: dict[str, str], pin: str, seconds: float) -> float:
    """C_Sign (CKM_ECDSA, secp256k1) a second on the signer's own token, one thread, nothing else;
    in a process of its own, since PKCS#11 and fork do not go together.
    """
    words = [sys.executable, "-c", _BARE, environment["STRONGROOM_PKCS11_MODULE"], TOKEN, KEY]
    done = subprocess.run(
        [*words, pin, str(seconds)], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


_BARE = """
import sys, time, pkcs11
module, label, key, pin_file, seconds = sys.argv[1:]
token = pkcs11.lib(module).get_token(token_label=label)
with token.open(user_pin=open(pin_file).read().strip()) as session:
    handle = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=key)
    digest, count, begun = bytes(range(32)), 0, time.perf_counter()
    end = begun + float(seconds)
    while time.perf_counter() < end:
        for _ in range(50):
            handle.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
        count += 50
    print(count / (time.perf_counter() - begun))
"""


def check(signer: Signer, driven: Driven) -> None:
    """Every answer is a signature of the organisation's key, no nonce is there twice, none is
    missing; every hundredth is read by eth-account. Leaves the bench if not.
    """
    nonces: dict[str, set[int]] = {}
    for number, body in enumerate(driven.answers):
        answer = parse_body(body)
        if not answer["ok"]:
            sys.exit(f"signing: a payment was refused: {answer}")
        sender, nonce = answer["body"]["from"], answer["body"]["nonce"]
        if nonce in nonces.setdefault(sender, set()):
            sys.exit(f"signing: {sender} used nonce {nonce} twice")
        nonces[sender].add(nonce)
        raw = from_hex(answer["body"]["raw"])
        if number % PERCENT == 0 and Account.recover_transaction(raw) != sender:
            sys.exit(f"signing: {sender} did not sign its transaction")
    known = {company.account["spending"][0]["address"] for company in signer.companies}
    gaps = any(max(used) - min(used) + 1 != len(used) for used in nonces.values())
    if not set(nonces) <= known or gaps:
        sys.exit("signing: a foreign key signed, or a nonce is missing")


def at_half_load(signer: Signer, rate: float, seconds: float) -> dict[str, Any]:
    """Milliseconds of an answer while half as many requests come as go. `p50_ms` and `p99_ms`:
    evenly spaced (constant throughput, as wrk2 sends), where only what the signer itself does
    makes anybody wait. `poisson_…`: at random moments, so that requests also wait for each other;
    at half of any one worker's load that alone makes the p99 4.3 times its time for one.
    """
    chance = random.Random(SEED)
    figures: dict[str, Any] = {
        "half_load_per_s": round(rate / 2, 1),
        "p99_is": "evenly spaced requests at half load, from the moment that each was due",
    }
    for name in ("", "poisson_"):
        moment, due = 0.0, []
        while moment < seconds:
            moment += chance.expovariate(rate / 2) if name else 2 / rate
            due.append(moment)
        driven = drive(signer.socket, signer.payments(len(due)), CONNECTIONS, due)
        check(signer, driven)
        signer.signed += len(due)
        cuts = statistics.quantiles(driven.took, n=PERCENT)
        figures[f"{name}p50_ms"] = round(cuts[49] * 1e3, 2)
        figures[f"{name}p99_ms"] = round(cuts[98] * 1e3, 2)
    return figures


def per_cpu_second(signers: Sequence[Signer], count: int) -> float:
    """Payments a CPU-second of the signers while each of them is driven as fast as it goes."""
    frames = [signer.payments(count) for signer in signers]
    before = [signer.cpu_seconds() for signer in signers]
    fork = multiprocessing.get_context("fork")
    clients = [
        fork.Process(target=drive, args=(signer.socket, part, CONNECTIONS))
        for signer, part in zip(signers, frames, strict=True)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        if client.exitcode:
            sys.exit("signing: a client failed; see the signer's log")
    for signer in signers:
        signer.signed += count
    used = sum(s.cpu_seconds() - was for s, was in zip(signers, before, strict=True))
    return count * len(signers) / used


def main() -> int:
    """Two signers in processes of their own; the first one is measured, the second beside it."""
    parser = argparse.ArgumentParser(prog="scripts/bench signing", description=__doc__)
    parser.add_argument("--signatures", type=int, default=20_000, help="by the first signer in all")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn")
    parser.add_argument("--prepare", action="store_true", help="nothing: all is made in the run")
    options = parser.parse_args()
    if options.prepare:
        return 0
    with tempfile.TemporaryDirectory(prefix="sr-b-") as place:
        first, second = (Signer.founded(Path(place) / name, name) for name in ("a", "b"))
        try:
            return measure(first, second, options)
        finally:
            first.stop()
            second.stop()


def measure(first: Signer, second: Signer, options: argparse.Namespace) -> int:
    """The whole run, on signers that were founded and do not serve yet."""
    for signer in (first, second):
        signer.start()
        signer.found()
        check(signer, signer.pay(400))
    rss_first, guess = first.rss_mb(), first.pay(400).rate

    def ours() -> float:
        driven = first.pay(int(guess * options.seconds))
        check(first, driven)
        return driven.rate

    def raw() -> float:
        return bare_rate(first.environment, str(first.folder / "signer.pin"), options.seconds / 2)

    pairs = in_turns(ours, raw, turns=options.turns)
    rate = statistics.median(pair.ours for pair in pairs)
    halves = at_half_load(first, rate, 2 * options.seconds)
    some = int(rate * options.seconds / 2)
    ratios = [
        per_cpu_second([first, second], some) / per_cpu_second([first], some)
        for _ in range(options.turns)
    ]
    while first.signed < options.signatures:
        first.pay(min(4_000, options.signatures - first.signed))
    rss_last = first.rss_mb()
    second.stop()
    made = time.perf_counter()
    second.account(COMPANIES, BLOBS)
    made = time.perf_counter() - made
    report(
        "signing",
        "payments signed through the socket: three people, clearance, limits, journal, receipts",
        "signatures/s",
        pairs,
        raw_limit_is="bare C_Sign (secp256k1) on the same token, one thread",
        more={
            **halves,
            "two_processes_per_cpu_ratio": round(statistics.median(ratios), 3),
            "per_cpu_ratios": [round(ratio, 3) for ratio in ratios],
            "start_seconds_100k": round(second.start(), 2),
            "ceremony_seconds_100k": round(made, 1),
            "rss_mb_first": rss_first,
            "rss_mb_last": rss_last,
            "signatures": first.signed,
            "connections": CONNECTIONS,
            "organisations": COMPANIES,
            "seed": SEED,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
