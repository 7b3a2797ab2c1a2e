"""One signer in this process on a real SoftHSM token; every test founds its own company on it."""

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from strongroom.cli.dev.softhsm import SoftToken
from strongroom_protocol.addresses import Address
from strongroom_protocol.authority import parse_bundle
from strongroom_protocol.signatures import Signature
from strongroom_signer import agreement
from strongroom_signer.ceremony.account import fill_account
from strongroom_signer.ceremony.establish import Founding, establish
from strongroom_signer.ceremony.keks import Tokens
from strongroom_signer.ceremony.seed import seal_new_seed
from strongroom_signer.clock import FixedClock
from strongroom_signer.house import House
from strongroom_signer.operations.clearances import highest_list_version
from strongroom_signer.serve.dispatch import Dispatcher
from strongroom_signer.serve.start import open_house
from strongroom_signer.settings import Settings
from strongroom_signer.token.keyring import Keyring
from strongroom_signer.token.pins import Pin
from strongroom_signer.token.session import TokenSession
from tests.factories.parts.place import short_folder
from tests.integration.strongroom_signer.people import (
    CHAIN_ID,
    OFFICER_QUORUM,
    OFFICERS,
    SCREENER,
    TUSD,
    Company,
)

ACCOUNTS = 1000
LEAVES = 2
SPENDING = 2
START = 1_800_000_000


@dataclass
class Desk:
    """The running signer as a test meets it."""

    house: House
    token: TokenSession
    dispatcher: Dispatcher
    clock: FixedClock
    log: io.StringIO
    accounts: Iterator[dict[str, Any]]
    settings: Settings
    names: int = field(default=0)

    def ask(self, op: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.dispatcher.answer({"op": op, "trace": "test", "body": body})

    def get(self, op: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.ask(op, body)
        assert answer["ok"], answer
        result: dict[str, Any] = answer["body"]
        return result

    def refused(self, op: str, body: dict[str, Any]) -> str:
        """The refusal's code; checks that it left a receipt and nothing else."""
        entries = self.counts()
        refusals = self.refusals()
        answer = self.ask(op, body)
        assert not answer["ok"], answer
        assert len(answer["message"]) > 10
        assert self.counts() == entries, "a refusal must leave no entry but its receipt"
        assert self.refusals() == refusals + 1, "a refusal must leave a receipt"
        return str(answer["code"])

    def refusals(self) -> int:
        """Receipts of refusals; a renewed mark leaves one of its own now and then."""
        refused = '%"outcome":"refused"%'
        query = "SELECT count(*) FROM receipt WHERE body LIKE ?"
        return int((self.house.journal.one(query, refused) or (0,))[0])

    def counts(self) -> list[int]:
        tables = ("request", "answer", "nonce", "spend", "swept", "cleared_deposit", "policy")
        return [self.house.journal.all(f"SELECT count(*) FROM {one}")[0][0] for one in tables]

    def company(self, *, founded: bool = True, token: Address = TUSD) -> Company:
        self.names += 1
        name = f"Company {self.names}"
        company = Company(
            name,
            next(self.accounts),
            self.clock.now(),
            token=token,
            permit_signer=self.house.config.keys.permit,
        )
        company.list_version = highest_list_version(self.house)
        if founded:
            self.get("policy_first", company.policy_first())
        return company

    def vault(self, company: Company) -> Address:
        return self.house.deployment.vault_address(parse_bundle(company.bundle))


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """A founded signer: tokens, keys, seed and accounts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(short_folder("sig")))
        token = SoftToken(folder / "hsm")
        (folder / "hsm").mkdir()
        token.prepare()
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in token.environment().items():
            patch.setenv(name, value)
        yield Settings(
            directory=folder / "signer",
            module=os.environ["STRONGROOM_PKCS11_MODULE"],
            chain_id=CHAIN_ID,
            signer_pin=Pin(files=(folder / "signer.pin",)),
            vault_pin=Pin(files=(folder / "vault-a.pin", folder / "vault-b.pin")),
        )


@contextmanager
def opened_desk(
    settings: Settings, accounts: int, first: int = 0, **changes: Any
) -> Iterator[Desk]:
    """A new signer with that many accounts from `first`; `changes` are the ceremony's decisions."""
    decided: dict[str, Any] = {
        "officers": tuple(officer.address for officer in OFFICERS),
        "officer_quorum": OFFICER_QUORUM,
        "screener_key": SCREENER.public_key().public_bytes_raw(),
        "origin": "strongroom.test/log",
        "cooling_seconds": 7200,
        "loosening_seconds": 3600,
    }
    establish(settings, Founding(**decided | changes), lambda _words: None)
    assert settings.vault_pin is not None
    clock, log = FixedClock(START), io.StringIO()
    parts = open_house(settings, clock)
    house, pin = parts.house, settings.vault_pin.read()
    tokens = Tokens(
        TokenSession(settings.module, settings.vault_token, pin, settings.token_lock), parts.token
    )
    assert seal_new_seed(tokens.vault)
    # Each is made when a test asks for it: filling them all takes longer than most tests.
    filled = (
        fill_account(tokens, house.pool, index, LEAVES, lambda _words: None, SPENDING)
        for index in range(first, first + accounts)
    )
    with only_what_both_encoders_made(house.keyring):
        yield Desk(house, parts.token, Dispatcher(house, log), clock, log, filled, settings)
    house.journal.close()
    house.pool.close()
    parts.token.close()
    tokens.vault.close()


@contextmanager
def only_what_both_encoders_made(keyring: Keyring) -> Iterator[None]:
    """No digest reaches a key of this signer, whatever a test asks of it, but by `agreement`.
    A test that signs with a key of the token itself is not asking.
    """
    made: set[bytes] = set()
    agreement.agreed.cache_clear()
    asking: list[bool] = []
    agree, sign, answer_all = agreement._same, keyring._sign, Dispatcher.answer_all

    def answered(self_: Dispatcher, *asked: Any, **named: Any) -> Any:
        asking.append(True)
        try:
            return answer_all(self_, *asked, **named)
        finally:
            asking.pop()

    def noted(*asked: Any) -> bytes:
        digest = agree(*asked)
        made.add(digest)
        return digest

    def checked(handle: Any, digest: bytes, expected: Address) -> Signature:
        assert not asking or digest in made, "this digest was not made by both encoders"
        return sign(handle, digest, expected)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "_same", noted)
        patch.setattr(keyring, "_sign", checked)
        patch.setattr(Dispatcher, "answer_all", answered)
        yield


@pytest.fixture(scope="session")
def desk(settings: Settings) -> Iterator[Desk]:
    """The signer, opened once; the clock moves only when a test moves it."""
    with opened_desk(settings, ACCOUNTS) as opened:
        yield opened
