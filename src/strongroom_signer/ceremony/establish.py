"""`ceremony init`: tokens, keys born in them, the KEK carried over, the sealed configuration.
Every step looks first and completes what is missing, so an interrupted run is simply run again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pkcs11 import ObjectClass, PKCS11Error

from strongroom_protocol.addresses import Address
from strongroom_signer import sealed
from strongroom_signer.ceremony import keks
from strongroom_signer.ceremony.keks import Say, Tokens
from strongroom_signer.errors import Unfit
from strongroom_signer.pool import Pool
from strongroom_signer.settings import Settings
from strongroom_signer.token import provisioning, templates
from strongroom_signer.token.keyring import Keyring, check_backend
from strongroom_signer.token.pins import Pin
from strongroom_signer.token.session import TokenSession

POOL = "pool.sqlite"


@dataclass(frozen=True, slots=True)
class Founding:
    """What the people at the ceremony decide. Durations in seconds."""

    officers: tuple[Address, ...]
    officer_quorum: int
    screener_key: bytes
    origin: str
    cooling_seconds: int
    loosening_seconds: int
    list_version_min: int = 1
    kind: sealed.Kind = "online"

    def check(self) -> None:
        """Raises Unfit when the officers or the screener's key cannot be what is meant."""
        if len(set(self.officers)) != len(self.officers):
            raise Unfit("each officer must be named once")
        if not 0 < self.officer_quorum <= len(self.officers):
            raise Unfit(
                f"the officers' quorum is {self.officer_quorum}, must be 1 to {len(self.officers)}"
            )
        if len(self.screener_key) != 32:
            raise Unfit("the screener's key must be 32 bytes in hexadecimal (Ed25519 public key)")


@contextmanager
def both_tokens(settings: Settings) -> Iterator[Tokens]:
    """Open the vault and the signer token, and close them whatever happens."""
    vault_pin = _vault_pin(settings)
    lock = settings.token_lock
    vault = TokenSession(settings.module, settings.vault_token, vault_pin.read(), lock)
    try:
        pin = settings.signer_pin.read()
        signer = TokenSession(settings.module, settings.signer_token, pin, lock)
        try:
            yield Tokens(vault, signer)
        finally:
            signer.close()
    finally:
        vault.close()


@contextmanager
def opened_pool(settings: Settings) -> Iterator[tuple[Tokens, Pool]]:
    """Both tokens and the key table."""
    with both_tokens(settings) as tokens:
        pool = Pool(settings.directory / POOL, Keyring(tokens.signer).seal)
        try:
            yield tokens, pool
        finally:
            pool.close()


def establish(settings: Settings, founding: Founding, say: Say) -> sealed.SealedConfig:
    """Make or complete everything up to the sealed configuration. Raises Unfit."""
    founding.check()
    check_backend()
    settings.make_directory()
    make_tokens(settings, say)
    with both_tokens(settings) as tokens:
        _make_keys(tokens, say)
        keks.settle(settings.directory / POOL, tokens, say)
        keyring = Keyring(tokens.signer)
        return _seal_config(settings, founding, keyring, say)


def make_pin_file(path: Path, say: Say) -> None:
    """A random PIN, or part of one, in a new file that only its owner can read; one that exists is
    kept.
    """
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(secrets.token_hex(16) + "\n", encoding="ascii")
    say(f"A new PIN, or an officer's part of one, is in {path}: its officer keeps a copy.")


def make_tokens(settings: Settings, say: Say) -> None:
    """Make the tokens, and the PIN files, that are missing. Raises Unfit."""
    wanted = (
        (settings.vault_token, _vault_pin(settings)),
        (settings.signer_token, settings.signer_pin),
    )
    for label, pin in wanted:
        for path in pin.files:
            make_pin_file(path, say)
        if label not in provisioning.token_labels(settings.module):
            provisioning.make_token(settings.module, label, pin.read())
            say(f"Token {label!r} made.")


def _vault_pin(settings: Settings) -> Pin:
    if settings.vault_pin is None:
        raise Unfit(
            "neither STRONGROOM_VAULT_PIN_FILES nor STRONGROOM_VAULT_PIN_FDS is set; a ceremony "
            "needs the vault token, whose PIN is made of two officers' parts"
        )
    return settings.vault_pin


def _make_keys(tokens: Tokens, say: Say) -> None:
    private, secret = ObjectClass.PRIVATE_KEY, ObjectClass.SECRET_KEY
    for label in templates.SIGNING:
        if tokens.signer.find(private, label) is None:
            templates.make_signing_key(tokens.signer, label)
            say(f"Key {label!r} born in the signer token.")
    if tokens.signer.find(private, templates.LOG) is None:
        try:
            templates.make_log_key(tokens.signer)
        except PKCS11Error as error:
            raise Unfit(
                f"the signer token has no Ed25519 (CKM_EDDSA): {type(error).__name__}; choose a "
                "token that has it"
            ) from None
        say(f"Key {templates.LOG!r} (Ed25519) born in the signer token.")
    if tokens.signer.find(secret, templates.INTEGRITY) is None:
        templates.make_integrity_key(tokens.signer)
    if tokens.vault.find(secret, templates.SEAL) is None:
        templates.make_seal_key(tokens.vault)


def _seal_config(
    settings: Settings, founding: Founding, keyring: Keyring, say: Say
) -> sealed.SealedConfig:
    path = settings.directory / "config.json"
    wanted = sealed.SealedConfig(
        chain_id=settings.chain_id,
        officers=founding.officers,
        officer_quorum=founding.officer_quorum,
        screener_key=founding.screener_key,
        list_version_min=founding.list_version_min,
        origin=founding.origin,
        cooling_seconds=founding.cooling_seconds,
        loosening_seconds=founding.loosening_seconds,
        keys=keyring.public,
        kind=founding.kind,
    )
    if path.exists():
        found = sealed.load(path, keyring)
        if found != replace(wanted, keys=found.keys):
            raise Unfit(
                f"{path} was sealed with other officers, keys or settings; nothing was changed. "
                "To begin again, remove the signer's folder and both tokens"
            )
        say("The configuration is sealed already; nothing was changed.")
        return found
    sealed.store(path, wanted, keyring)
    say(f"Configuration sealed: {path}")
    return wanted
