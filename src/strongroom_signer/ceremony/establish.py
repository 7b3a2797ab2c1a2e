"""`ceremony init`: tokens, keys born in them, the KEK carried over, the sealed configuration.
Every step looks first and completes what is missing, so an interrupted run is simply run again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import coincurve
from pkcs11 import Attribute, ObjectClass, PKCS11Error

from strongroom_protocol.addresses import Address, address_of_public_key
from strongroom_signer import sealed
from strongroom_signer.errors import TokenLost, Unfit
from strongroom_signer.pool import Pool
from strongroom_signer.settings import Settings
from strongroom_signer.token import provisioning, templates
from strongroom_signer.token.keyring import Keyring, check_backend
from strongroom_signer.token.pins import Pin
from strongroom_signer.token.session import TokenSession

Say = Callable[[str], None]


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


@dataclass(frozen=True, slots=True)
class Tokens:
    """Both tokens, open at once: only in a ceremony."""

    vault: TokenSession
    signer: TokenSession


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


def establish(settings: Settings, founding: Founding, say: Say) -> sealed.SealedConfig:
    """Make or complete everything up to the sealed configuration. Raises Unfit."""
    founding.check()
    check_backend()
    settings.make_directory()
    _make_tokens(settings, say)
    with both_tokens(settings) as tokens:
        _make_keys(tokens, say)
        _carry_kek(settings, tokens, say)
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
    say(f"A new PIN was written to {path}. Keep a copy where the officers agree.")


def _make_tokens(settings: Settings, say: Say) -> None:
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
    for label in (templates.PERMIT, templates.RELAY, templates.ATTEST):
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


def _carry_kek(settings: Settings, tokens: Tokens, say: Say) -> None:
    born = tokens.vault.find(ObjectClass.SECRET_KEY, templates.KEK)
    arrived = tokens.signer.find(ObjectClass.SECRET_KEY, templates.KEK)
    if born is None or arrived is None or not kek_works(tokens):
        pool = Pool(settings.directory / "pool.sqlite")
        wrapped_before = pool.accounts()
        pool.close()
        if wrapped_before:
            raise Unfit("leaf keys are wrapped under a KEK that is gone: restore the tokens")
        templates.carry_kek(tokens.vault, tokens.signer)
        if not kek_works(tokens):
            raise Unfit("the KEK that arrived in the signer token does not open what was wrapped")
        say("KEK born in the vault token, carried to the signer token (RSA-OAEP), tried.")
    elif born[Attribute.EXTRACTABLE]:
        born[Attribute.EXTRACTABLE] = False


def kek_works(tokens: Tokens) -> bool:
    """Wrap a throw-away key in the vault token, unwrap it in the signer token, sign, recover."""
    trial = coincurve.PrivateKey()
    address = address_of_public_key(trial.public_key.format(compressed=False))
    kek = tokens.vault.need(ObjectClass.SECRET_KEY, templates.KEK)
    with suppress(PKCS11Error, TokenLost):
        wrapped = templates.wrap_leaf(tokens.vault, kek, trial.secret)
        keyring = Keyring(tokens.signer)
        keyring.leaf(address, wrapped, b"\x01" * 32)
        return True
    return False


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
    )
    if path.exists():
        found = sealed.load(path, keyring)
        if found != wanted:
            raise Unfit(
                f"{path} was sealed with other officers, keys or settings; nothing was changed. "
                "To begin again, remove the signer's folder and both tokens"
            )
        say("The configuration is sealed already; nothing was changed.")
        return found
    sealed.store(path, wanted, keyring)
    say(f"Configuration sealed: {path}")
    return wanted
