"""Taking in an existing Safe: the one batch by which its owners put it under guard, themselves.

Only they sign it; it is a transaction of their Safe like any other, and nothing of ours is asked.
The guard looks at its end whether everything stands, else the whole batch reverts.
"""

from strongroom.kit.errors import Conflict
from strongroom.vaults.configuration import SENTINEL, Configuration
from strongroom.vaults.health import judge
from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.controls import Vault
from strongroom_protocol.deployment import Deployment, limit_rows
from strongroom_protocol.safe import Call, SafeTx, batch_call


class NotAdoptable(Conflict):
    """The Safe has something that must be changed before it can be taken in."""

    code = "vaults.not_adoptable"


def adoption(found: Configuration, vault: Vault, deployment: Deployment) -> SafeTx:
    """The transaction for `found`'s owners to sign. `vault`: what the founding bundle says of it.

    Raises NotAdoptable.
    """
    health = judge(found, deployment)
    if health.guarded:
        raise NotAdoptable("Strongroom's guard stands on it already.")
    if health.blockers:
        told = " ".join(f"{one.sentence} {one.remedy}" for one in health.blockers)
        raise NotAdoptable(f"It can't be taken in yet. {told}")
    if (frozenset(vault.owners), vault.threshold) != (frozenset(found.owners), found.threshold):
        raise NotAdoptable(
            "The policy names other owners or another threshold than the Safe has. Write those of "
            "the Safe into it; they are changed afterwards, with their delay."
        )
    calls = [
        *(Call(found.address, 0, data) for data in _on_the_safe(found, deployment)),
        Call(deployment.guard, 0, _configure(vault)),
    ]
    return batch_call(calls, deployment.multi_send).safe_tx(found.nonce)


def _on_the_safe(found: Configuration, deployment: Deployment) -> list[bytes]:
    """Its own setters, in an order in which each finds what it needs."""
    calls = []
    if found.handler != ZERO:
        calls.append(_call("setFallbackHandler(address)", ZERO))
    kept = SENTINEL  # the last module before it in the list that is still there
    for module in found.modules:
        if module == deployment.exit:
            kept = module
        else:
            calls.append(_call("disableModule(address,address)", kept, module))
    if deployment.exit not in found.modules:
        calls.append(_call("enableModule(address)", deployment.exit))
    calls.append(_call("setModuleGuard(address)", deployment.guard))
    calls.append(_call("setGuard(address)", deployment.guard))
    return calls


def _configure(vault: Vault) -> bytes:
    return abi.call(
        "configure(address,(address,uint128)[],address[],address[])",
        abi.address(vault.permit_signer),
        limit_rows(vault.limits),
        abi.array([abi.address(one) for one in vault.destinations]),
        abi.array([abi.address(one) for one in vault.freezers]),
    )


def _call(signature: str, *addresses: Address) -> bytes:
    return abi.call(signature, *(abi.address(one) for one in addresses))
