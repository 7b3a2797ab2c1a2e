"""One organisation with people, policy and vault on real parts: PostgreSQL, Anvil, signer, SoftHSM.

Every process's work is done here step by step, by the same objects that the processes run, each on
its own database role; `drive` steps them all, mining as it goes, until nothing moves any more.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from strongroom.bootstrap import indexer
from strongroom.bootstrap.worker import Services
from strongroom.config import Config
from strongroom.db.outbox import Dispatcher, OutboxMessage
from strongroom.deposits.foreseen import SweepCalls
from strongroom.identity import service as identity
from strongroom.kit.ids import HOUSE
from strongroom.ledger import service as ledger
from strongroom.policy import service as policy
from strongroom.relay.loop import RelayLoop
from strongroom.relay.signer import SocketSigner
from strongroom.screening import service as screening
from strongroom.screening.screener import Screener
from strongroom.vaults import service as vaults
from strongroom.vaults.sink import VaultObserver
from strongroom.vaults.types import VaultView
from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.foreseen import ExecutionCalls
from strongroom.withdrawals.permits import PermitLoop
from strongroom.withdrawals.simulation import SimulationLoop
from strongroom.withdrawals.sink import WithdrawalObserver
from strongroom.withdrawals.spending import SpendingLoop
from strongroom.withdrawals.spending_sink import SpendingObserver
from strongroom.withdrawals.types import WithdrawalView
from strongroom.workers.app import Delivery
from strongroom.workers.jobs import handlers
from strongroom_protocol.addresses import checksum
from strongroom_protocol.authority import organisation_ref, organisation_uuid, parse_genesis
from strongroom_protocol.intents import CustodyManifest, domain
from strongroom_protocol.typed_data import as_json
from tests.factories.house import DAY_SECONDS, ETH, OPERATOR, TUSD, House, sign

ENDOWMENT = {TUSD: 100_000 * 10**6, ETH: 10 * 10**18}


@dataclass
class Stage:
    """The house, and one organisation in it."""

    house: House
    account_index: int = 0

    def __post_init__(self) -> None:
        house, chain_id = self.house, self.house.chain.chain_id
        self.cast, self.chain = house.cast, house.chain
        observers = (VaultObserver(), WithdrawalObserver(), SpendingObserver())
        self.relay_loop = RelayLoop(
            house.role("relay"),
            SocketSigner(house.signer),
            house.node,
            chain_id=chain_id,
            observers=observers,
            pace=house.pace,
            calls=(ExecutionCalls(), SweepCalls()),
        )
        self.permit_loop = PermitLoop(house.role("relay"), house.signer, house.chain.chain_id)
        self.spending_loop = SpendingLoop(house.role("relay"), house.signer, house.chain.chain_id)
        self.simulation_loop = SimulationLoop(house.role("relay"), house.node, house.chain.chain_id)
        self.screener = Screener(house.role("screener"), house.screener_key)
        config = Config.from_environment(house.environment("worker"))
        services = Services(config, house.role("worker"), house.clock)
        delivery = Delivery(services, handlers())

        def deliver(message: OutboxMessage) -> None:
            delivery.deliver(message.organisation_id, message.id)

        self.dispatcher = Dispatcher(house.role("relay"), deliver)
        process = indexer.build(Config.from_environment(house.environment("indexer")))
        (self.indexer,) = process.chains
        self.indexer_database = process.database

    def close(self) -> None:
        self.indexer.stop()
        self.indexer_database.close()

    # --- the organisation -------------------------------------------------------------------

    def found(self) -> None:
        """Genesis, account, first policy, sanctions list, vault with money in it."""
        self._register()
        self._first_policy()
        with self.house.role("api").unit(HOUSE, OPERATOR) as uow:
            content = f"{self.cast.sanctioned}\n".encode()
            screening.import_list(uow, name="test", source="test", content=content, form="plain")
        with self.unit() as uow:
            vault = vaults.request(uow)
        self.vault = vault
        self._endow(vault)
        self.drive(until=self._ready)

    def _register(self) -> None:
        cast = self.cast
        approvers = sorted((cast.amir.address, cast.bea.address, cast.ivo.address), key=str.lower)
        genesis = parse_genesis(
            {
                "type": "strongroom.genesis/1",
                "name": "Harbour Shipping",
                "chain_id": self.chain.chain_id,
                "account_index": self.account_index,
                "administrators": [cast.ada.address],
                "administrator_quorum": 1,
                "approvers": approvers,
                "salt": "0x" + "5a" * 32,
            }
        )
        self.ref = organisation_ref(genesis)
        self.id = organisation_uuid(self.ref)
        with self.unit() as uow:
            identity.register_organisation(uow, genesis)

    def _first_policy(self) -> None:
        index = self.account_index
        out = self.house.folder / f"account-{index}.json"
        self.house.ceremony("account", "--index", str(index), "--count", "4", "--out", str(out))
        account = json.loads(out.read_text())
        manifest = CustodyManifest(
            index,
            bytes.fromhex(account["root"][2:]),
            account["count"],
            bytes.fromhex(account["xpub_hash"][2:]),
        )
        typed = as_json(manifest.typed(domain(self.chain.chain_id)))
        self.account = account
        signed = {name: account[name] for name in ("account_index", "root", "count", "xpub")} | {
            "officer_signatures": [sign(self.cast.officer, typed)]
        }
        with self.unit() as uow:
            prepared = policy.prepare(uow, self.bundle())
            staged = policy.stage_first(
                uow,
                bundle=prepared.content,
                signatures=[sign(one, prepared.typed_data) for one in self._founders()],
                officer_signatures=[sign(self.cast.officer, prepared.typed_data)],
                manifest=signed,
            )
        self.house.signer.policy_first(staged.body)
        with self.unit() as uow:
            policy.activate(uow, staged)

    def update_policy(self, **changes: Any) -> None:
        """A new version, signed by the administrator."""
        with self.unit() as uow:
            before = dict(policy.active(uow, self.id).content)
            for name in ("version", "previous"):
                del before[name]
            prepared = policy.prepare(uow, {**before, **changes})
            staged = policy.stage_update(
                uow,
                bundle=prepared.content,
                signatures=[sign(self.cast.ada, prepared.typed_data)],
            )
        self.house.signer.policy_update(staged.body)
        with self.unit() as uow:
            policy.activate(uow, staged)

    def _founders(self) -> list[LocalAccount]:
        cast = self.cast
        return [cast.ada, cast.ines, cast.amir, cast.bea, cast.ivo]

    def bundle(self) -> dict[str, Any]:
        cast, dollar = self.cast, self.house.dollar
        book = [
            {"address": cast.supplier, "label": "Supplier"},
            {"address": cast.sanctioned, "label": "Old partner"},
        ]
        owners = sorted((cast.amir.address, cast.bea.address, cast.ivo.address), key=str.lower)
        return {
            "people": cast.people(),
            "administrator_quorum": 1,
            "account": {
                "index": self.account_index,
                "manifest_root": self.account["root"],
                "xpub_hash": self.account["xpub_hash"],
            },
            "vault": {
                "salt": "0x" + "7e" * 32,
                "owners": owners,
                "threshold": 2,
                "permit_signer": self._permit_signer(),
                "limits": [
                    {"token": None, "day_units": str(100 * 10**18)},
                    {"token": checked(dollar), "day_units": str(1_000_000 * 10**6)},
                ],
                "freezers": [],
                "destinations": sorted((one["address"] for one in book), key=str.lower),
            },
            "tokens": [
                {"asset": self.house.coin, "contract": None},
                {"asset": TUSD, "contract": checked(dollar)},
            ],
            "address_book": book,
            "limits": [
                {
                    "asset": self.house.coin,
                    "per_payment_units": str(10**18),
                    "per_day_units": str(100 * 10**18),
                },
                {
                    "asset": TUSD,
                    "per_payment_units": str(5_000 * 10**6),
                    "per_day_units": str(1_000_000 * 10**6),
                },
            ],
            "rules": [
                {
                    "id": "not-above-1000",
                    "verdict": "deny",
                    "when": {"assets": [TUSD], "units_above": str(1_000 * 10**6)},
                },
                {
                    "id": "two-approvers",
                    "verdict": "approvals",
                    "when": {"destinations": "address_book"},
                    "approvals": [[{"role": "approver", "department": None, "minimum": 2}]],
                },
            ],
            "mandates": {"sweep": True},
            "fees": {"max_fee_per_gas_wei": str(10**12), "max_total_fee_wei": str(10**19)},
            "valid_until": int(time.time()) + 90 * DAY_SECONDS,
        }

    def _permit_signer(self) -> str:
        """Whom a new vault's guard obeys: the signer's newest permit key."""
        with self.unit() as uow:
            return checksum(vaults.platform(uow, self.chain.chain_id).permit_signer)

    def _endow(self, vault: VaultView) -> None:
        """A payer puts money into the vault: seen, screened and credited like any deposit."""
        house, to = self.house, "0x" + vault.address.hex()
        for function, recipient in (("mint", house.money), ("transfer", to)):
            data = keccak(text=f"{function}(address,uint256)")[:4] + encode(
                ["address", "uint256"], [recipient, ENDOWMENT[TUSD]]
            )
            house.send({"from": house.money, "to": house.dollar, "data": "0x" + data.hex()})
        house.send({"from": house.money, "to": to, "value": hex(ENDOWMENT[ETH])})

    def _ready(self) -> bool:
        if self.current_vault().state != "active":
            return False
        wanted = {TUSD: ENDOWMENT[TUSD], self.house.coin: ENDOWMENT[ETH]}
        return all(self.available(asset) == units for asset, units in wanted.items())

    def unit(self) -> Any:
        """A unit of the API for this organisation."""
        return self.house.role("api").unit(self.id, OPERATOR, request_id="test")

    def current_vault(self) -> VaultView:
        with self.unit() as uow:
            return vaults.get(uow)

    # --- withdrawals ------------------------------------------------------------------------

    def order(
        self,
        reference: str,
        *,
        by: LocalAccount | None = None,
        asset: str = TUSD,
        amount: str = "250",
        to: str | None = None,
        valid_for_seconds: int = 3_600,
        memo: str = "",
        **more: Any,
    ) -> WithdrawalView:
        """Draft, sign, hand in."""
        with self.unit() as uow:
            prepared = withdrawals.prepare(
                uow,
                asset=asset,
                to=to or self.cast.supplier,
                amount=amount,
                reference=reference,
                valid_for_seconds=valid_for_seconds,
                **more,
            )
        with self.unit() as uow:
            return withdrawals.request(
                uow,
                fields=prepared.fields,
                initiator_signature=sign(by or self.cast.ines, prepared.typed_data),
                memo=memo,
            )

    def awaiting(self, reference: str, **more: Any) -> WithdrawalView:
        """An order that has come to its approvers."""
        view = self.order(reference, **more)
        self.drive(until=lambda: self.view(view.id).state == "awaiting_approval")
        return self.view(view.id)

    def approve(self, withdrawal_id: UUID, who: LocalAccount) -> WithdrawalView:
        """Sign both forms of what is shown, and hand them in."""
        with self.unit() as uow:
            data = withdrawals.signing_data(uow, withdrawal_id)
        readable = None if data.payment is None else sign(who, data.payment)
        with self.unit() as uow:
            return withdrawals.approve(
                uow,
                withdrawal_id,
                approver=who.address,
                signature=sign(who, data.typed),
                payment_signature=readable,
            )

    def approved(self, reference: str, **more: Any) -> WithdrawalView:
        """An order that two people approved."""
        view = self.awaiting(reference, **more)
        self.approve(view.id, self.cast.amir)
        return self.approve(view.id, self.cast.bea)

    def view(self, withdrawal_id: UUID) -> WithdrawalView:
        with self.unit() as uow:
            return withdrawals.get(uow, withdrawal_id)

    def states(self, withdrawal_id: UUID) -> list[str]:
        with self.unit() as uow:
            return [one.to_state for one in withdrawals.history(uow, withdrawal_id)]

    def available(self, asset: str = TUSD, code: str = "client:treasury") -> int:
        with self.unit() as uow:
            return next(
                one.available
                for one in ledger.balances(uow, self.id)
                if (one.code, one.asset) == (code, asset)
            )

    def held(self, asset: str = TUSD) -> int:
        with self.unit() as uow:
            return next(
                one.pending
                for one in ledger.balances(uow, self.id)
                if (one.code, one.asset) == ("client:treasury", asset)
            )

    # --- time passes ------------------------------------------------------------------------

    def drive(
        self,
        until: Callable[[], bool],
        *,
        seconds: float = 60,
        parts: str = "worker screener permits spending relay chain indexer",
    ) -> None:
        """Step every part until it holds; an AssertionError says where everything stood."""
        steps: dict[str, Callable[[], object]] = {
            "worker": self.dispatcher.step,
            "screener": self.screener.step,
            "permits": self.permit_loop.step,
            "spending": self.spending_loop.step,
            "simulation": self.simulation_loop.step,
            "relay": self.relay_loop.step,
            "chain": self.chain.mine,
            "indexer": self.index,
        }
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, self.picture()
            for name in parts.split():
                steps[name]()

    def index(self) -> None:
        while self.indexer.step():
            pass

    def picture(self) -> str:
        """Where everything stands."""
        rows = self.house.query("SELECT id, state, reason FROM withdrawal ORDER BY id")
        rows += self.house.query("SELECT purpose, state, last_error FROM outgoing ORDER BY id")
        rows += self.house.query(
            "SELECT topic, attempt, last_error FROM outbox WHERE done_at IS NULL ORDER BY id"
        )
        return "\n".join(map(str, rows))


def checked(address: str) -> str:
    return str(to_checksum_address(address))
