"""The embedded EVM node, Anvil 1.7: chain 31337 on loopback, its state kept over a restart.

`--slots-in-an-epoch 1` makes `safe` and `finalized` follow one and two blocks behind the head.
Anvil keeps each block's state; past about 500 it writes them to a folder of its own, without a
bound (1.4 GB at 900 blocks, tried): `--prune-history` holds that many in memory instead.
A loaded state answers only for its last block: two blocks are mined after a load, so that
`finalized` can be asked about again.
"""

import platform
import signal
from pathlib import Path

from strongroom.cli.dev.probes import LOOPBACK, call
from strongroom.cli.dev.program import Program, ProgramFailed

CHAIN_ID = 31337
KEPT_STATES = 512
SAVE_SECONDS = 10
# Anvil's published first development account; worth nothing on any other chain.
DEPLOYER_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
MODULES = Path("contracts/node_modules/@foundry-rs")


def node_url(port: int) -> str:
    """Return the JSON-RPC URL."""
    return f"http://{LOOPBACK}:{port}"


def anvil_program(
    root: Path,
    log: Path,
    port: int,
    *,
    state: Path | None = None,
    block_seconds: int | None = 1,
    kept_states: int | None = KEPT_STATES,
    chain_id: int = CHAIN_ID,
) -> Program:
    """Return how to run the node; block_seconds None means: mine on demand only (evm_mine).

    root is the repository's folder. Without a state file the chain is forgotten at the end.
    """
    argv = [str(anvil_binary(root)), "--host", LOOPBACK, "--port", str(port)]
    argv += ["--chain-id", str(chain_id), "--slots-in-an-epoch", "1"]
    argv += ["--no-mining"] if block_seconds is None else ["--block-time", str(block_seconds)]
    if kept_states is not None:
        argv += ["--prune-history", str(kept_states)]
    if state is not None:
        state.parent.mkdir(parents=True, exist_ok=True)
        argv += ["--state", str(state), "--state-interval", str(SAVE_SECONDS)]
    return Program(
        name="anvil",
        argv=tuple(argv),
        log=log,
        ready=lambda: answers(port),
        stop_signal=signal.SIGINT,  # at which it writes its state
        death_signal=signal.SIGINT,
        port=port,
    )


def answers(port: int) -> bool:
    """Say whether the node answers for its finalized block; mine two blocks when it cannot."""
    try:
        height = int(str(call(port, "eth_blockNumber")), 16)
        if height < 2:
            return True
        try:
            call(port, "eth_getBalance", "0x" + "00" * 20, hex(height - 2))
        except ValueError:
            call(port, "anvil_mine", "0x2")
    except (OSError, ValueError):
        return False
    return True


def anvil_binary(root: Path) -> Path:
    """Return the program inside the npm package. Raises ProgramFailed when it is missing."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    binary = root / MODULES / f"anvil-linux-{machine}" / "bin" / "anvil"
    if not binary.exists():
        message = f"the EVM node is missing ({binary}); run scripts/setup, which runs `npm ci`."
        raise ProgramFailed(message)
    return binary
