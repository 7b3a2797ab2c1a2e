"""What stays between seeds: PostgreSQL, a chain, a signer, an organisation with all its wallets.

Everything is real; only the processes of `roles.py` come and go with each seed.
"""

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from strongroom.cli.dev.anvil import KEPT_STATES, anvil_program
from strongroom.cli.dev.postgres import EmbeddedPostgres
from strongroom.cli.dev.program import Running, running, start
from strongroom.cli.dev.softhsm import SoftToken
from strongroom.db.migrate import migrate
from strongroom.wallets import service as wallets
from strongroom.wallets.types import Officers, Provenance
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.intents import CustodyManifest, domain
from strongroom_protocol.typed_data import as_json
from tests.factories.house import DOLLAR, ETH, TUSD, House, sign
from tests.factories.parts.anvil import Chain
from tests.factories.parts.faulty import FaultyNode, faulty_node
from tests.factories.parts.place import REPOSITORY, free_port, short_folder
from tests.factories.parts.postgres import TestDatabase
from tests.factories.stage import Stage
from tests.simulation.plan import PAYERS
from tests.simulation.processes import DiedByItself
from tests.simulation.roles import Orders

DEPOSIT_ADDRESSES = 4
FIRST_PAYER = 2
NODES = ("indexer", "witness", "relay", "twin")
FLOAT = {TUSD: 2_000 * 10**6, ETH: 2 * 10**18}
PAYERS_UNITS = 10**13
# Each write that takes the cursor back is kept, as the database saw it: promises.py judges it.
WATCH_CURSOR = """
CREATE TABLE simulation_cursor (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, moved_at timestamptz,
    from_height bigint, from_hash bytea, to_height bigint, from_final bigint, to_final bigint);
CREATE FUNCTION simulation_cursor_moved() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.simulation_cursor
        (moved_at, from_height, from_hash, to_height, from_final, to_final)
    VALUES (NEW.updated_at, OLD.height, OLD.block_hash, NEW.height, OLD.finalized_height,
            NEW.finalized_height);
    RETURN NULL;
END $$;
CREATE TRIGGER simulation_cursor_moved AFTER UPDATE ON chain_cursor
    FOR EACH ROW WHEN (NEW.height < OLD.height OR NEW.finalized_height < OLD.finalized_height)
    EXECUTE FUNCTION simulation_cursor_moved();
"""
# Hand-assembled (see tests/factories/chain_stage.py): forward the value to the first word's
# address; the same and revert; call the first word's address with the second and swallow its end.
FORWARD = "5f5f5f5f345f355af100"
FORWARD_AND_REVERT = "5f5f5f5f345f355af15f5ffd"
CALL_AND_SWALLOW = "602060205f375f5f60205f345f355af100"


@dataclass
class World:
    """One organisation on real parts; `proxies` stand between processes and the chain by name."""

    stage: Stage
    folder: Path
    proxies: dict[str, FaultyNode]
    fork_port: int
    signer: Running
    hot: bytes = b""
    vault: bytes = b""
    deposits: list[bytes] = field(default_factory=list)
    strange: str = ""
    forward: str = ""
    revert: str = ""
    swallow: str = ""

    def __post_init__(self) -> None:
        """Open a superuser's eyes."""
        self.house, self.chain = self.stage.house, self.stage.chain
        self._eyes = psycopg.connect(self.house.database.conninfo(), autocommit=True)

    def close(self) -> None:
        """Close what was opened here."""
        self._eyes.close()

    def rows(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Look, or arrange, past row-level security."""
        found = self._eyes.execute(text.encode(), values)
        return found.fetchall() if found.description else []

    def ours(self) -> dict[str, bytes]:
        """Every address whose balance must be in the books."""
        (relay,) = self.rows("SELECT relay FROM platform")[0]
        addresses = {f"deposit {n}": address for n, address in enumerate(self.deposits)}
        return {**addresses, "hot": self.hot, "vault": self.vault, "relay": bytes(relay)}

    def restart_signer(self, crash_at: str = "") -> None:
        """Kill -9 the signer and start it again; nobody waits until it serves."""
        self.signer.kill()
        program = replace(self.house.serve_signer(), crash_at=crash_at or None)
        self.signer = start(program)

    def tend_signer(self) -> bool:
        """Start it again if it died at its crash point; True when it did. Raises DiedByItself."""
        code = self.signer.exit_code
        if code is None:
            return False
        if code != -signal.SIGKILL:
            raise DiedByItself(self.signer.failure("ended by itself"))
        self.restart_signer()
        return True

    # --- what processes are told ---

    def orders(self, role: str, *, witnesses: int = 1, **more: Any) -> Orders:
        """The orders of a process."""
        of = {"twin": "indexer", "stand-by": "relay", "crew": "relay", "office": "worker"}
        environment = self.house.environment(of.get(role, role))
        own = {"indexer": "indexer", "twin": "twin"}.get(role, "relay")
        reads = role in ("indexer", "twin") and witnesses > 1
        nodes = (own, "witness") if reads else (own,)
        urls = ",".join(self.proxies[name].url for name in nodes)
        environment |= {
            "STRONGROOM_RPC_URLS": urls,
            "STRONGROOM_RPC_AGREE": str(len(nodes)),
        }
        bases = ("worker", "relay", "screener")
        return Orders(
            role=role,
            environment=environment,
            urls={base: self.house.database.url(f"strongroom_{base}") for base in bases},
            screener_key=self.house.screener_key.private_bytes_raw(),
            log=str(self.folder / f"{role}.log"),
            **more,
        )


@contextmanager
def opened_world() -> Iterator[World]:
    """Start everything, found the house and the organisation; end it on the way out."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder("sim"))
        server = EmbeddedPostgres(folder / "data", folder / "postgres.log", durable=False)
        server.prepare()
        stack.enter_context(running(server.program()))
        database = TestDatabase(server, "simulation")
        migrate(database.url("postgres"))
        port, fork_port = free_port(), free_port()
        anvil = anvil_program(
            REPOSITORY, folder / "anvil.log", port, block_seconds=None, kept_states=KEPT_STATES
        )
        stack.enter_context(running(anvil))
        chain = Chain(port)
        token = SoftToken(folder / "token")
        token.prepare()
        house = House(database, chain, folder, token)
        stack.callback(house.close)
        house.found()
        signer = start(house.serve_signer())
        stage: Stage | None = None
        world: World | None = None
        try:
            signer.wait_ready()
            house.deploy()
            stage = Stage(house)
            stage.found()
            fork = f"http://127.0.0.1:{fork_port}"
            proxies = {
                name: stack.enter_context(faulty_node(chain.url, fork, seed=1)) for name in NODES
            }
            world = World(stage, folder, proxies, fork_port, signer)
            world.rows(WATCH_CURSOR)
            _furnish(world)
            stage.close()
            stage = None
            yield world
        finally:
            if stage is not None:
                stage.close()
            if world is not None:
                signer = world.signer
                world.close()
            signer.stop()


def _furnish(world: World) -> None:
    """Deposit addresses, a hot key with its float, contracts, and payers with money."""
    stage, house = world.stage, world.house
    world.vault = bytes(stage.current_vault().address)
    _register_account(world)
    world.deposits = [_give_out(world) for _ in range(DEPOSIT_ADDRESSES)]
    world.hot = _make_hot_key(world)
    world.strange = _deploy_token(house)
    world.forward, world.revert, world.swallow = (
        _deploy(house, code) for code in (FORWARD, FORWARD_AND_REVERT, CALL_AND_SWALLOW)
    )
    for payer in range(PAYERS):
        for contract in (house.dollar, world.strange):
            _mint(house, contract, house.chain.accounts()[FIRST_PAYER + payer], PAYERS_UNITS)
    _mint(house, house.dollar, house.money, FLOAT[TUSD])
    _pay(house, house.dollar, "0x" + world.hot.hex(), FLOAT[TUSD])
    house.send({"from": house.money, "to": "0x" + world.hot.hex(), "value": hex(FLOAT[ETH])})
    stage.drive(until=lambda: _float_is_there(world), seconds=20)


def _float_is_there(world: World) -> bool:
    found = world.rows(
        "SELECT count(*) FROM deposit WHERE address = %s AND disposition = 'credited'"
        " AND chain_state = 'finalized'",
        world.hot,
    )
    return found == [(len(FLOAT),)]


def _register_account(world: World) -> None:
    """The ceremony's account, from which addresses are given out."""
    stage, officer = world.stage, world.house.cast.officer
    account = stage.account
    manifest = CustodyManifest(
        0,
        bytes.fromhex(account["root"][2:]),
        account["count"],
        bytes.fromhex(account["xpub_hash"][2:]),
    )
    signature = sign(officer, as_json(manifest.typed(domain(world.chain.chain_id))))
    with stage.unit() as uow:
        wallets.register_account(
            uow,
            ceremony_output=account,
            officer_signatures=[bytes.fromhex(signature[2:])],
            officers=Officers(frozenset({bytes(parse_address(officer.address))}), 1),
            chain_id=world.chain.chain_id,
        )


def _give_out(world: World) -> bytes:
    """A deposit address, as the API gives it out."""
    stage = world.stage
    with stage.unit() as uow:
        index = wallets.next_index(uow)
    answer = stage.house.signer.provenance({"organisation": "0x" + stage.ref.hex(), "index": index})
    attest = parse_address(stage.house.signer.status()["keys"]["attest"])
    provenance = Provenance(
        index=index,
        path=answer["path"],
        address=parse_address(answer["address"]),
        signature=from_hex(answer["signature"]),
        proof=tuple(from_hex(node) for node in answer["proof"]),
        root=from_hex(answer["root"]),
    )
    with stage.unit() as uow:
        view = wallets.new_address(uow, provenance=provenance, attest_key=attest, label="sim")
    return bytes(view.address)


def _make_hot_key(world: World) -> bytes:
    """The organisation's online spending key, in its signed policy."""
    stage = world.stage
    out = world.folder / "spending.json"
    words = ("--index", "0", "--count", "4", "--spending", "1", "--out", str(out))
    stage.house.ceremony("account", *words)
    address = parse_address(json.loads(out.read_text())["spending"][0]["address"])
    limits = [
        {"asset": asset, "per_payment_units": str(units), "per_day_units": str(10_000 * units)}
        for asset, units in FLOAT.items()
    ]
    key = {"index": 0, "address": checksum(address), "kind": "hot", "threshold": 2}
    stage.update_policy(spending=[{**key, "limits": limits}])
    return bytes(address)


def _deploy(house: House, code: str) -> str:
    init = f"0x60{len(code) // 2:02x}8060095f395ff3{code}"
    return str(house.send({"from": house.money, "data": init})["contractAddress"])


def _deploy_token(house: House) -> str:
    creation = json.loads(DOLLAR.read_text())["creation"]
    data = creation + encode(["address"], [house.money]).hex()
    return str(house.send({"from": house.money, "data": data})["contractAddress"])


def _mint(house: House, contract: str, to: str, units: int) -> None:
    _call(house, contract, "mint(address,uint256)", to, units)


def _pay(house: House, contract: str, to: str, units: int) -> None:
    _call(house, contract, "transfer(address,uint256)", to, units)


def _call(house: House, contract: str, function: str, to: str, units: int) -> None:
    data = keccak(text=function)[:4] + encode(["address", "uint256"], [to, units])
    house.send({"from": house.money, "to": contract, "data": "0x" + data.hex()})
