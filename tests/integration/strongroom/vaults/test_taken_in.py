"""An organisation brings its own Safe: asked for, guarded by its owners, active, paid from."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from strongroom.cli.dev.postgres import EmbeddedPostgres
from strongroom.cli.dev.program import running
from strongroom.cli.dev.softhsm import SoftToken
from strongroom.kit.ids import HOUSE
from strongroom.screening import service as screening
from strongroom.vaults import service
from strongroom.vaults.adoption import adoption
from strongroom.vaults.configuration import Configuration, examine
from strongroom.vaults.room import standing
from strongroom.withdrawals import errors
from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum, create2, parse_address
from strongroom_protocol.controls import read_vault
from strongroom_protocol.deployment import Deployment, creation
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.safe import SafeTx, exec_calldata, pack_signatures, setup_initializer
from strongroom_protocol.typed_data import Domain
from tests.factories.governed import Governing, chain_of_the_past
from tests.factories.house import OPERATOR, TUSD, House
from tests.factories.parts.place import short_folder
from tests.factories.parts.postgres import TestDatabase
from tests.factories.safes import address_of, signed
from tests.factories.stage import ENDOWMENT, Stage


class TakenIn(Stage):
    """An organisation whose people had a Safe before they came: two of Amir, Bea and Ivo."""

    def come(self) -> None:
        """Registered, policy in force, vault asked for; nothing was done to the Safe yet."""
        with self.house.role("api").unit(HOUSE, OPERATOR) as uow:
            self.deployment: Deployment = service.platform(uow, self.chain.chain_id).deployment
            content = f"{self.cast.sanctioned}\n".encode()
            screening.import_list(uow, name="test", source="test", content=content, form="plain")
        self.safe = self._make_safe()
        self._register()
        self._first_policy()
        with self.unit() as uow:
            self.vault = service.request(uow)
        self._endow(self.vault)
        self.governing = Governing(self)

    def bundle(self) -> dict[str, Any]:
        content = super().bundle()
        mine = {"salt": "0x" + "00" * 32, "adopted": checksum(self.safe)}
        return {**content, "vault": {**content["vault"], **mine}}

    def _make_safe(self) -> Address:
        cast, ours = self.cast, self.deployment
        owners = sorted(map(address_of, (cast.amir, cast.bea, cast.ivo)))
        initializer, salt = setup_initializer(owners, 2, ZERO, b""), (9).to_bytes(32, "big")
        words = (abi.address(ours.safe_singleton), abi.byte_string(initializer), salt)
        create = abi.call("createProxyWithNonce(address,bytes,uint256)", *words)
        self._call(ours.proxy_factory, create)
        code = creation("SafeProxy") + abi.address(ours.safe_singleton)
        return create2(ours.proxy_factory, keccak256(keccak256(initializer) + salt), code)

    def read(self) -> Configuration:
        return examine(self.house.node, self.safe, exit_module=self.deployment.exit, block="latest")

    def owners_execute(self, tx: SafeTx) -> None:
        """Amir and Bea sign, anybody sends: no Permit, no process of ours."""
        domain = Domain(chain_id=self.chain.chain_id, verifying_contract=self.safe)
        who = (self.cast.amir, self.cast.bea)
        packed = pack_signatures([(address_of(one), signed(one, tx, domain)) for one in who])
        self._call(self.safe, exec_calldata(tx, packed))

    def take_in(self, **other: Any) -> None:
        """The batch of `strongroom vault adopt`; `other` than what the policy says of the vault."""
        vault = read_vault({**self.bundle()["vault"], **other}, "vault")
        self.owners_execute(adoption(self.read(), vault, self.deployment))

    def _call(self, to: Address, data: bytes) -> None:
        call = {"from": self.house.chain.accounts()[1], "to": "0x" + to.hex()}
        self.house.send({**call, "data": "0x" + data.hex()})

    def state(self) -> str:
        return self.current_vault().state

    def delegate_is_final(self) -> bool:
        [(state,)] = self.house.query("SELECT state FROM outgoing WHERE purpose LIKE 'delegate%%'")
        return bool(state == "finalized")

    def pay(self, reference: str) -> None:
        """Permitted by the signer, mined, final."""
        supplier = parse_address(self.cast.supplier)
        before = self.house.units(supplier)
        view = self.approved(reference)
        self.drive(until=lambda: self.view(view.id).state == "finalized")
        assert self.house.units(supplier) - before == 250 * 10**6


@pytest.fixture
def taken(
    postgres: EmbeddedPostgres,
    template_database: str,
    database_numbers: Iterator[int],
    softhsm: SoftToken,
) -> Iterator[TakenIn]:
    name = f"test_{next(database_numbers)}"
    with (
        chain_of_the_past() as chain,
        psycopg.connect(postgres.conninfo(), autocommit=True) as connection,
        short_folder("house") as folder,
    ):
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}".encode())
        with come_with_a_safe(House(TestDatabase(postgres, name), chain, folder, softhsm)) as made:
            yield made
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def come_with_a_safe(house: House) -> Iterator[TakenIn]:
    house.found()
    with running(house.serve_signer()):
        house.deploy()
        made = TakenIn(house)
        try:
            made.come()
            yield made
        finally:
            made.close()
            house.close()


def test_a_safe_is_active_once_its_guard_is_final_and_is_paid_from(taken: TakenIn) -> None:
    assert (taken.vault.address, taken.vault.state) == (taken.safe, "requested")
    assert taken.house.query("SELECT purpose FROM outgoing") == [("delegate_deployment",)]
    taken.drive(until=taken.delegate_is_final)
    taken.governing.look()
    assert taken.state() == "creating", "the Safe is not under guard"
    with pytest.raises(errors.VaultMissing, match="creating, not active"):
        taken.order("too early")

    taken.take_in()
    taken.governing.examiner.examine(taken.id)
    assert taken.state() == "creating", "the batch is mined and not final"
    taken.governing.look()
    assert taken.state() == "active"
    with taken.unit() as uow:
        found = standing(uow)
    assert (found.health.score, found.found.guard) == (100, taken.deployment.guard)
    assert taken.governing.pending() == []
    assert taken.house.query("SELECT kind FROM alert") == [], "what was asked of them is no alarm"
    told = dict(taken.house.query("SELECT name, ours FROM vault_event"))
    assert {name: told[name] for name in ("EnabledModule", "ChangedGuard", "ExecutionSuccess")} == {
        "EnabledModule": False,
        "ChangedGuard": False,
        "ExecutionSuccess": False,
    }

    taken.drive(until=lambda: taken.available() == ENDOWMENT[TUSD])
    taken.pay("out of their own Safe")
    assert taken.read().nonce == 2, "the batch, and the payment"


def test_a_guarded_safe_of_other_owners_is_active_when_it_is_the_policys(taken: TakenIn) -> None:
    cast, stranger = taken.cast, address_of(taken.cast.stranger)
    taken.drive(until=taken.delegate_is_final)
    add = abi.call("addOwnerWithThreshold(address,uint256)", abi.address(stranger), abi.uint(2))
    taken.owners_execute(SafeTx(taken.safe, 0, add, 0))
    four = sorted((checksum(one) for one in taken.read().owners), key=str.lower)
    taken.take_in(owners=four)
    taken.governing.look()
    with taken.unit() as uow:
        assert standing(uow).health.guarded
    assert taken.state() == "creating", "one owner is in no policy"
    with pytest.raises(errors.VaultMissing):
        taken.order("while a stranger owns it too")

    done = taken.governing.carry_out(cast.amir, cast.bea)
    assert done == ["remove_owner:announce", "remove_owner:execute"]
    assert stranger not in taken.read().owners
    removed = taken.house.query("SELECT ours, body FROM vault_event WHERE name = 'RemovedOwner'")
    assert removed == [(True, {"address": checksum(stranger)})], "a step of ours ordered it"
    assert taken.house.query("SELECT kind FROM alert WHERE kind = 'vault.event'") == []
    assert taken.state() == "active"
    taken.drive(until=lambda: taken.available() == ENDOWMENT[TUSD])
    taken.pay("when the stranger is gone")


def test_a_guarded_safe_of_wider_limits_is_active_when_they_are_lowered(taken: TakenIn) -> None:
    taken.drive(until=taken.delegate_is_final)
    limits = [dict(one) for one in taken.bundle()["vault"]["limits"]]
    limits[1]["day_units"] = str(2_000_000 * 10**6)
    taken.take_in(limits=limits)
    taken.governing.look()
    with taken.unit() as uow:
        assert standing(uow).health.guarded
    assert taken.state() == "creating", "the guard lets twice as much out as the policy says"
    assert taken.governing.carry_out(taken.cast.amir, taken.cast.bea) == ["lower_limit:now"]
    assert taken.state() == "active"
