"""Step 3: the vault, and what the chain itself says about it."""

from eth_utils.crypto import keccak

from first_day.cast import OWNER, ROLES, Cast

GUARD_SLOT = "0x" + keccak(text="guard_manager.guard.address").hex()
MODULE_GUARD_SLOT = "0x" + keccak(text="module_manager.module_guard.address").hex()
FALLBACK_SLOT = "0x" + keccak(text="fallback_manager.handler.address").hex()


def create(cast: Cast) -> None:
    """Ask for the vault, wait until it is final, then read it from the chain."""
    diary, owner, node = cast.diary, cast.service(OWNER.handle), cast.node
    owner.create_vault(diary.key("vault"))

    def active() -> dict[str, str] | None:
        found = owner.get("/v1/vault")
        return found if found["state"] == "active" else None

    found = owner.wait("the vault is active", active, timeout_seconds=90)
    vault = diary.once("vault", lambda: found["address"])
    diary.once("sweeper", lambda: found["sweeper"])
    contracts = diary.get("installation")["contracts"]
    diary.say(f"vault {vault}")
    version = bytes.fromhex(node.view(vault, "VERSION()")[2 + 128 :])[:5].decode()
    singleton = "0x" + node.call("eth_getStorageAt", vault, "0x0", "latest")[26:]
    diary.check(
        version == "1.5.0" and singleton == contracts["safe_singleton"].lower(),
        "a Safe 1.5.0 over the canonical SafeL2",
        version,
    )
    words = node.view(vault, "getOwners()")[2:]
    owners = {"0x" + words[128 + 64 * i + 24 : 192 + 64 * i] for i in range(len(words) // 64 - 2)}
    approvers = {cast.key(r.handle).address.lower() for r in ROLES if "approver" in r.roles}
    threshold = int(node.view(vault, "getThreshold()"), 16)
    diary.check(
        owners == approvers and threshold == 2,
        f"its owners are the {len(owners)} approvers, any {threshold} may pay, none is ours",
        owners,
    )
    slots = [_address_in(cast, vault, slot) for slot in (GUARD_SLOT, MODULE_GUARD_SLOT)]
    diary.check(
        set(slots) == {contracts["guard"].lower()}
        and _address_in(cast, vault, FALLBACK_SLOT) == "0x" + "00" * 20,
        "guarded from its first block, as transactions and as modules; no fallback handler",
        slots,
    )
    begin = "0" * 63 + "1"
    modules = node.view(vault, "getModulesPaginated(address,uint256)", begin + "0" * 63 + "9")[2:]
    found = ["0x" + modules[start + 24 : start + 64] for start in range(192, len(modules), 64)]
    diary.check(
        found == [contracts["exit"].lower()],
        "its only module is the exit: its people can leave without the custodian, in seven days",
        found,
    )


def _address_in(cast: Cast, vault: str, slot: str) -> str:
    return "0x" + str(cast.node.call("eth_getStorageAt", vault, slot, "latest"))[26:]
