"""`strongroom-signer serve`: self-checks, then the socket until SIGTERM. Token lost: leave, so
that the supervisor starts a new process; the same request then gets the same signature.
"""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pkcs11 import PKCS11Error

from strongroom_protocol.deployment import Deployment
from strongroom_signer import sealed
from strongroom_signer.audit.at_start import check_at_start
from strongroom_signer.clock import Clock, SystemClock
from strongroom_signer.crash import CrashPoints
from strongroom_signer.errors import TokenLost, Unfit
from strongroom_signer.house import House
from strongroom_signer.journal.store import Journal, TokenMarks
from strongroom_signer.journal.wal import wal_moved
from strongroom_signer.memory import harden_process
from strongroom_signer.pool import Pool
from strongroom_signer.serve.dispatch import Dispatcher
from strongroom_signer.serve.health import Snapshot, serve_health
from strongroom_signer.serve.server import Server
from strongroom_signer.settings import Settings
from strongroom_signer.token.keyring import Keyring, check_backend
from strongroom_signer.token.session import TokenSession
from strongroom_signer.transcript import journal_head

# Public networks with real money: a software token is refused there.
MAIN_NETWORKS = frozenset({1, 10, 25, 56, 100, 137, 250, 324, 1101, 5000, 8453, 42161, 42220,
                           43114, 59144, 81457, 534352})  # fmt: skip
TRIAL_WORDS = (
    "TRIAL: A SOFTWARE TOKEN HOLDS KEYS OF A MAIN NETWORK. Whoever copies its files and the PIN "
    "has the money. Unset STRONGROOM_SOFTHSM_TRIAL and use a hardware token"
)
SEALS_MAX = 8192
GARBAGE_THRESHOLD = 50_000
JOURNAL = "journal.sqlite"
CLOCK_MIN = 1_750_000_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A house and the token session under it."""

    house: House
    token: TokenSession


def open_house(settings: Settings, clock: Clock, *, begin: bool = True) -> Opened:
    """Token, sealed configuration, pool, journal. Raises Unfit with what is wrong."""
    check_backend()
    if clock.now() < CLOCK_MIN:
        raise Unfit("the machine's clock is years behind; limits and expiry would not hold")
    if not (settings.directory / "config.json").exists():
        raise Unfit("there is no sealed configuration: run 'strongroom-signer ceremony init'")
    audited = check_at_start(settings, clock.now()) if begin else None
    pin = settings.signer_pin.read()
    token = TokenSession(settings.module, settings.signer_token, pin, settings.token_lock)
    try:
        keyring = Keyring(token)
        config = sealed.load(settings.directory / "config.json", keyring)
        trial = _on_trial(settings, config, token)
        journal = Journal(settings.directory / JOURNAL, clock, TokenMarks(token))
        if audited is not None:
            _begin(journal, settings.directory, audited)
    except BaseException:
        token.close()
        raise
    house = House(
        config=config,
        deployment=Deployment(config.chain_id, config.keys.relay),
        keyring=keyring,
        journal=journal,
        # A row that is asked for again and again is sealed by the token once.
        pool=Pool(settings.directory / "pool.sqlite", lru_cache(SEALS_MAX)(keyring.seal)),
        clock=clock,
        crash=CrashPoints(settings.crash_at),
        trial=trial,
    )
    return Opened(house, token)


def _begin(journal: Journal, folder: Path, audited: dict[str, Any]) -> None:
    try:
        journal.verify_chain()
        journal.begin()
        with journal.unit():
            journal.receipt(audited)
        journal_head(folder, journal)
    except Unfit:
        journal.close()
        raise


def _on_trial(settings: Settings, config: sealed.SealedConfig, token: TokenSession) -> bool:
    """Whether a software token stands in on a main network. Raises Unfit unless that is meant."""
    if config.chain_id != settings.chain_id:
        raise Unfit(f"this signer was sealed for chain {config.chain_id}")
    soft = "softhsm" in token.manufacturer.lower() and settings.chain_id in MAIN_NETWORKS
    if soft and not settings.softhsm_trial:
        raise Unfit(
            "SoftHSM is for tests and trials: its keys lie in files that can be copied. It is "
            "refused on a public main network; use a hardware token, or set "
            "STRONGROOM_SOFTHSM_TRIAL=1 for a trial with money that may be lost"
        )
    return soft


@contextmanager
def opened(settings: Settings, clock: Clock) -> Iterator[House]:
    """A house for as long as this lasts; a clean end marks the journal's exact position."""
    parts = open_house(settings, clock)
    try:
        yield parts.house
    finally:
        parts.house.journal.close()
        parts.house.pool.close()
        parts.token.close()


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises Unfit before it serves, TokenLost later."""
    warnings = harden_process()
    if settings.socket is None:
        raise Unfit("STRONGROOM_SIGNER_SOCKET is not set")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with opened(settings, SystemClock()) as house:
            dispatcher = Dispatcher(house)
            if house.trial:
                warnings.append(TRIAL_WORDS)
            for warning in warnings:
                dispatcher.note(event="warning", words=warning)
            server = Server(settings.socket, settings.allowed_uids, dispatcher, settings.api_uids)
            snapshot = Snapshot()
            health = serve_health(settings.health_port, snapshot)
            dispatcher.note(event="serving", chain_id=settings.chain_id)
            # Nothing that stands now will be garbage; what a request leaves has no cycles.
            gc.collect()
            gc.freeze()
            gc.set_threshold(GARBAGE_THRESHOLD)

            def beat() -> None:
                snapshot.beat(house.journal.size, dispatcher.outcomes)

            try:
                with wal_moved(settings.directory / JOURNAL):
                    server.run(stop, beat, house.journal.idle)
            finally:
                if health is not None:
                    health.shutdown()
            dispatcher.note(event="stopped")
    except PKCS11Error as error:
        raise TokenLost(f"the token does not answer: {type(error).__name__}") from None
