"""Does the steps of a plan to a world, and keeps what the outside did, to compare afterwards."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from eth_abi.abi import encode

from strongroom.kit.errors import StrongroomError
from strongroom.withdrawals import service as withdrawals
from strongroom_protocol.addresses import Address, checksum
from tests.factories.house import ETH, TUSD, sign
from tests.simulation import forks
from tests.simulation.plan import Step
from tests.simulation.processes import Staff
from tests.simulation.world import FIRST_PAYER, World

COIN_SCALE = 10**6
GWEI = 10**9
CALM_GWEI = 1
LONG_SECONDS = 20 * 86_400
MAX_FEE_WEI = 10**16
HOLD_ORDERS = 12
BOOKED_SECONDS = 1.5
AT_WORK_SECONDS = 0.3
LOOK_SECONDS = 0.005
CANCEL_REASON = "no longer needed"


@dataclass(frozen=True)
class Payment:
    """Somebody's transaction to one of ours; `counts` if it really pays."""

    hash: str
    to: bytes
    token: str | None
    units: int
    counts: bool


@dataclass
class Scene:
    """One seed on its stage."""

    world: World
    staff: Staff
    payments: list[Payment] = field(default_factory=list)
    orders: list[UUID] = field(default_factory=list)
    raw: dict[str, str] = field(default_factory=dict)
    happened: list[str] = field(default_factory=list)
    waited: dict[str, float] = field(default_factory=dict)
    """How long each queue took to drain, in seconds."""

    def __post_init__(self) -> None:
        """Where it begins."""
        self.first_height = self.world.chain.height()
        self.payers = self.world.chain.accounts()[FIRST_PAYER:]
        self.supplier_before = self.supplier()
        (self.first_move,) = self.world.rows("SELECT coalesce(max(id), 0) FROM simulation_cursor")[
            0
        ]

    def supplier(self) -> dict[str, int]:
        """What the supplier holds, by the chain's own word."""
        house = self.world.house
        address = bytes.fromhex(house.cast.supplier[2:])
        return {ETH: house.node.balance(address), TUSD: house.units(house.cast.supplier)}

    def do(self, step: Step) -> None:
        """One step. What the service refuses is refused; nothing of ours may fail otherwise."""
        try:
            ACTS[step.kind](self, step.values)
        except StrongroomError as error:
            self.happened.append(f"{step.kind}: {error.code}")

    # --- people ---

    def tend(self) -> None:
        """People approve what waits for them, and sign rejections of what is voided."""
        if not self.orders:
            return
        rows = self.world.rows(
            "SELECT id, state, wallet_kind FROM withdrawal WHERE id = ANY(%s)", self.orders
        )
        for identifier, state, kind in rows:
            if state == "awaiting_approval" or (state == "voiding" and kind == "vault"):
                for who in (self.world.house.cast.amir, self.world.house.cast.bea):
                    self._approve(identifier, who)

    def _approve(self, identifier: UUID, who: Any) -> None:
        try:
            self.world.stage.approve(identifier, who)
        except StrongroomError as error:
            if error.code not in self.happened:
                self.happened.append(f"approve: {error.code}")


def _deposit(scene: Scene, values: dict[str, Any]) -> None:
    for payment in values["payments"]:
        _pay_in(scene, *payment)


def _pay_in(scene: Scene, how: str, place: str, index: int, number: int, units: int) -> None:
    world = scene.world
    to = {"hot": world.hot, "vault": world.vault}.get(place)
    address = to or world.deposits[index % len(world.deposits)]
    payer = scene.payers[number]
    sent = {"from": payer, "gas": hex(300_000)}
    token = None
    word = "0x" + address.rjust(32, b"\0").hex()
    if how in ("token", "strange"):
        token = world.house.dollar if how == "token" else world.strange
        call = encode(["address", "uint256"], ["0x" + address.hex(), units]).hex()
        sent |= {"to": token, "data": "0xa9059cbb" + call}
    elif how == "coin":
        units *= COIN_SCALE
        sent |= {"to": "0x" + address.hex(), "value": hex(units)}
    elif how == "inside":
        units *= COIN_SCALE
        sent |= {"to": world.forward, "value": hex(units), "data": word}
    else:  # phantom
        units *= COIN_SCALE
        first = "0x" + bytes.fromhex(world.revert[2:]).rjust(32, b"\0").hex()
        sent |= {"to": world.swallow, "value": hex(units), "data": first + word[2:]}
    tx_hash = str(world.chain.rpc("eth_sendTransaction", sent))
    scene.payments.append(Payment(tx_hash, address, token, units, how != "phantom"))


def _order(scene: Scene, values: dict[str, Any]) -> None:
    for order in values["orders"]:
        if len(_live(scene)) < HOLD_ORDERS:
            _order_one(scene, *order)


def _batch(scene: Scene, values: dict[str, Any]) -> None:
    before = len(scene.orders)
    _order(scene, values)
    with scene.world.stage.unit() as uow:
        withdrawals.put_together(uow, scene.orders[before:])


def _order_one(scene: Scene, wallet: str, what: str, number: int) -> None:
    world, stage = scene.world, scene.world.stage
    more: dict[str, Any] = {}
    if wallet == "hot":
        more["from_wallet"] = checksum(Address(world.hot))
        more["max_fee_wei"] = str(MAX_FEE_WEI)
    asset = TUSD if what == "token" else ETH
    scale, digits = (1, 6) if asset == TUSD else (COIN_SCALE * 1_000, 18)
    units = number * scale
    amount = f"{units // 10**digits}.{units % 10**digits:0{digits}d}".rstrip("0")
    reference = f"sim-{world.chain.height()}-{time.monotonic_ns()}"
    view = stage.order(
        reference, asset=asset, amount=amount, valid_for_seconds=LONG_SECONDS, **more
    )
    scene.orders.append(view.id)


def _live(scene: Scene) -> list[UUID]:
    ended = "('finalized','rejected','expired','cancelled','blocked','failed')"
    rows = scene.world.rows(
        f"SELECT id FROM withdrawal WHERE id = ANY(%s) AND state NOT IN {ended}", scene.orders
    )
    return [row[0] for row in rows]


def _cancel(scene: Scene, values: dict[str, Any]) -> None:
    if not scene.orders:
        return
    identifier = scene.orders[values["nth"] % len(scene.orders)]
    stage, ines = scene.world.stage, scene.world.house.cast.ines
    with stage.unit() as uow:
        typed = withdrawals.rejection_data(uow, identifier, CANCEL_REASON)
        signature = sign(ines, typed)
        withdrawals.cancel(uow, identifier, reason=CANCEL_REASON, signature=signature)


def _mine(scene: Scene, values: dict[str, Any]) -> None:
    scene.world.chain.mine(values["blocks"])


def _reorg(scene: Scene, values: dict[str, Any]) -> None:
    height = scene.world.chain.mine()
    if values["booked"]:
        _until(lambda: _height(scene.world) >= height, BOOKED_SECONDS)
    else:
        time.sleep(values["seen_ms"] / 1_000)
    forks.reorganise(scene.world, values["depth"], values["fate"])


def _kill(scene: Scene, values: dict[str, Any]) -> None:
    if values["at_work"]:
        _until(lambda: _is_at_work(scene.world, values["role"]), AT_WORK_SECONDS)
    scene.staff.restart(values["role"])


def _crash(scene: Scene, values: dict[str, Any]) -> None:
    scene.staff.restart(values["role"], values["at"])


def _signer(scene: Scene, values: dict[str, Any]) -> None:
    scene.world.restart_signer(values["at"])


def _faults(scene: Scene, values: dict[str, Any]) -> None:
    faults = {name: value for name, value in values.items() if name != "of"}
    scene.world.proxies[values["of"]].set(**faults)


def _honest(scene: Scene, _: dict[str, Any]) -> None:
    for proxy in scene.world.proxies.values():
        proxy.set(0)


def _forget(scene: Scene, _: dict[str, Any]) -> None:
    scene.world.chain.rpc("anvil_dropAllTransactions")


def _spike(scene: Scene, values: dict[str, Any]) -> None:
    base_fee(scene.world, values["gwei"])


def _disconnect(scene: Scene, values: dict[str, Any]) -> None:
    if values["at_work"]:
        _until(lambda: _is_at_work(scene.world, values["role"]), AT_WORK_SECONDS)
    scene.world.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = %s AND datname = current_database()",
        f"strongroom_{values['role']}",
    )


def _later(scene: Scene, _: dict[str, Any]) -> None:
    time_passes(scene.world)


def _twin(scene: Scene, values: dict[str, Any]) -> None:
    leader, _ = scene.staff.running["indexer"]
    witnesses = int(leader.environment["STRONGROOM_RPC_AGREE"])
    scene.world.proxies["twin"].set(**values)
    scene.staff.start(scene.world.orders("twin", witnesses=witnesses, fault=leader.fault))


def _fork(scene: Scene, values: dict[str, Any]) -> None:
    with forks.another_fork(scene.world, values["blocks"]) as upstream:
        scene.world.proxies["indexer"].set(upstream)
        time.sleep(values["pause_ms"] / 1_000)
        scene.world.proxies["indexer"].set(0)
    # What that node called final must stay: nothing is reorganised below finality here.
    scene.world.chain.mine(values["blocks"])


def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for it, and not longer than this."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def _height(world: World) -> int:
    return int(world.rows("SELECT height FROM chain_cursor")[0][0])


def _is_at_work(world: World, role: str) -> bool:
    """Whether a process of this role has something in its hands just now."""
    if role == "indexer":
        return _height(world) < world.chain.height()
    if role == "screener":
        return bool(world.rows("SELECT 1 FROM screening_request WHERE lease_until > now() LIMIT 1"))
    tables = ("outbox",) if role in ("office", "worker") else ("outgoing", "withdrawal")
    over = {"outbox": "AND done_at IS NULL"}
    return any(
        world.rows(f"SELECT 1 FROM {name} WHERE lease_until > now() {over.get(name, '')} LIMIT 1")
        for name in tables
    )


def base_fee(world: World, gwei: int) -> None:
    """The next block's base fee."""
    world.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))


def time_passes(world: World) -> None:
    """Leases of the dead run out, and every pause is over; rows that are locked are passed by."""
    soon = "now() + interval '10 minutes'"
    for table in ("outgoing", "withdrawal", "outbox"):
        for column in ("lease_until", "due_at"):
            world.rows(
                f"UPDATE {table} SET {column} = now() WHERE ctid IN (SELECT ctid FROM {table}"
                f" WHERE {column} > now() AND {column} < {soon} FOR UPDATE SKIP LOCKED)"
            )


ACTS: dict[str, Callable[[Scene, dict[str, Any]], None]] = {
    "deposit": _deposit,
    "order": _order,
    "batch": _batch,
    "cancel": _cancel,
    "mine": _mine,
    "reorg": _reorg,
    "kill": _kill,
    "crash": _crash,
    "signer": _signer,
    "faults": _faults,
    "honest": _honest,
    "forget": _forget,
    "spike": _spike,
    "disconnect": _disconnect,
    "later": _later,
    "twin": _twin,
    "fork": _fork,
}
