"""Break one condition of the contracts after the other; each must turn a test red.

Works in a copy, so that a crash leaves no broken contract behind. A mutant that no test notices
is a hole in the tests: the exit code is 1 and its line is named.
"""

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
GUARD = "guard/PermitGuard.sol"
CALL = "libraries/CanonicalCall.sol"
DELEGATE = "sweep/SweepDelegate.sol"
BATCHER = "sweep/SweepBatcher.sol"
SETUP = "guard/VaultSetup.sol"

# (file, what stands there once, what is put there)
MUTANTS = (
    (GUARD, "if (vault.permitSigner != address(0)) revert", "if (false) revert"),
    (GUARD, "if (permitSigner == address(0)) revert", "if (false) revert"),
    (GUARD, "if (ISafeVault(msg.sender).nonce() != 0)", "if (false)"),
    (GUARD, "_checkControls();\n\n        // Effect", "\n        // Effect"),
    (GUARD, "if (tokens[i].code.length == 0)", "if (false)"),
    (GUARD, "destination == address(0) || ", ""),
    (GUARD, "destination == msg.sender || ", ""),
    (GUARD, " || destination == address(this)", ""),
    (GUARD, "\n                || _tokenAllowed[msg.sender][destination]", ""),
    (GUARD, "if (_usableFrom[msg.sender][destination] != 0)", "if (false)"),
    (GUARD, "block.timestamp + COOLING_SECONDS", "block.timestamp"),
    (GUARD, "_checkRunning();\n        _allow", "_allow"),
    (GUARD, "_checkRunning();\n        if", "if"),
    (GUARD, "if (_usableFrom[msg.sender][destination] == 0)", "if (false)"),
    (GUARD, "if (_vaults[msg.sender].permitSigner == address(0))", "if (false)"),
    (GUARD, "if (operation != Enum.Operation.Call)", "if (false)"),
    (GUARD, "safeTxGas != 0 || ", ""),
    (GUARD, "baseGas != 0 || ", ""),
    (GUARD, "gasPrice != 0 || ", ""),
    (GUARD, " || gasToken != address(0)", ""),
    (GUARD, "\n                || refundReceiver != address(0)", ""),
    (GUARD, "if (value != 0 || data.length != 0) revert", "if (value != 0) revert"),
    (GUARD, "if (value != 0 || data.length != 0) revert", "if (data.length != 0) revert"),
    (GUARD, "value != 0\n                    || !(data", "!(data"),
    (GUARD, "data.isOneAddress(IPermitGuard.announceDestination.selector)", "true"),
    (GUARD, "if (value == 0) revert", "if (false) revert"),
    (GUARD, "_checkDestination(to);", ""),
    (GUARD, "if (!_tokenAllowed[msg.sender][to]) revert", "if (false) revert"),
    (GUARD, "value != 0 || !data.isAddressAndAmount(TRANSFER)", "value != 0"),
    (GUARD, "value != 0 || !data.isAddressAndAmount", "!data.isAddressAndAmount"),
    (GUARD, "if (data.amount() == 0)", "if (false)"),
    (GUARD, "_checkDestination(data.firstAddress());", ""),
    (GUARD, "if (time == 0) revert", "if (false) revert"),
    (GUARD, "if (block.timestamp < time)", "if (false)"),
    (GUARD, "if (block.timestamp < time)", "if (block.timestamp <= time)"),
    (GUARD, "signatures.length != expected", "signatures.length < expected"),
    (GUARD, "v != 27 && v != 28", "false"),
    (GUARD, "block.timestamp > validUntil", "false"),
    (GUARD, "block.timestamp > validUntil", "block.timestamp >= validUntil"),
    (GUARD, "policyVersion < vault.policyVersion", "false"),
    (GUARD, "if (policyVersion > vault.policyVersion)", "if (false)"),
    (GUARD, "if (recovered != vault.permitSigner)", "if (false)"),
    (GUARD, "permitDigest(msg.sender, safeTxHash,", "permitDigest(msg.sender, 0,"),
    (GUARD, "permitDigest(msg.sender, safeTxHash,", "permitDigest(address(0), safeTxHash,"),
    (GUARD, "block.chainid, address(this)", "uint256(31337), address(this)"),
    (GUARD, "safe.nonce() - 1", "safe.nonce()"),
    (GUARD, "_acceptPermit(safeTxHash, signatures);", ""),
    (GUARD, "_enter(safeTxHash);", ""),
    (GUARD, "if (other != bytes32(0)) revert", "if (false) revert"),
    (GUARD, "running.tstore(bytes32(0));", ""),
    (GUARD, "hash == bytes32(0) || running.tload() != hash", "running.tload() != hash"),
    (GUARD, "hash == bytes32(0) || running.tload() != hash", "hash == bytes32(0)"),
    (GUARD, "_checkControls();\n        Vault", "Vault"),
    (GUARD, "if (guard != address(this))", "if (false)"),
    (GUARD, "if (moduleGuard != address(this))", "if (false)"),
    (GUARD, "if (handler != address(0))", "if (false)"),
    (GUARD, "if (module != address(0))", "if (false)"),
    (GUARD, "if (singleton != vault.singleton)", "if (false)"),
    (GUARD, "if (peopleHash != vault.peopleHash)", "if (false)"),
    (
        GUARD,
        "revert PermitGuard_ModuleRefused(module);",
        "return bytes32(uint256(uint160(module)));",
    ),
    (GUARD, "RUNNING_SLOT.deriveMapping(msg.sender)", "RUNNING_SLOT.deriveMapping(address(1))"),
    (SETUP, "ISafeVault(address(this)).setGuard(guard);", ""),
    (SETUP, "ISafeVault(address(this)).setModuleGuard(guard);", ""),
    (SETUP, "IPermitGuard(guard).configure(permitSigner, tokens, destinations);", ""),
    (CALL, "data.length == 36", "data.length >= 36"),
    (CALL, "data.length == 68", "data.length >= 68"),
    (CALL, "return uint256(bytes32(data[4:36])) >> 160 == 0;", "return data.length != 0;"),
    (DELEGATE, "msg.sender != batcher && msg.sender != vault", "false"),
    (DELEGATE, "msg.sender != batcher && msg.sender != vault", "msg.sender != batcher"),
    (DELEGATE, "if (amount == 0) revert", "if (false) revert"),
    (DELEGATE, "if (!accepted)", "if (false)"),
    (DELEGATE, "safeTransfer(vault, amount)", "transfer(vault, amount)"),
    (DELEGATE, "safeTransfer(vault, amount)", "safeTransfer(msg.sender, amount)"),
    (DELEGATE, "receive() external payable {}", ""),
    (DELEGATE, "vault_ == address(0) || ", ""),
    (DELEGATE, " || batcher_ == address(0)", ""),
    (BATCHER, "if (relay_ == address(0))", "if (false)"),
    (BATCHER, "if (msg.sender != relay)", "if (false)"),
    (BATCHER, "if (msg.sender != address(this))", "if (false)"),
    (BATCHER, "{gas: ITEM_GAS_MAX}", ""),
    # The length of a delegation has no mutant: EIP-3541 lets no other code begin with 0xef.
    (BATCHER, " || bytes3(code) != DELEGATION_PREFIX", ""),
    (BATCHER, "if (delegate.code.length == 0)", "if (false)"),
    (BATCHER, "if (delegate != delegateOf(vault))", "if (false)"),
    (BATCHER, "left != item.amount || received == 0", "received == 0"),
    (BATCHER, "left != item.amount || received == 0", "left != item.amount"),
)


class ForgeError(Exception):
    """Forge ended without a verdict, most likely because a mutant does not compile."""


def main() -> int:
    """Run each mutant, or those whose number is named on the command line."""
    wanted = {int(word) for word in sys.argv[1:]} or set(range(1, len(MUTANTS) + 1))
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        place = copy_tree(Path(folder))
        red = first_red(place)
        if red:
            sys.stderr.write(f"The tests are red without a mutant: {red}\n")
            return 1
        survivors = [
            number
            for number, mutant in enumerate(MUTANTS, start=1)
            if number in wanted and not caught(place, number, *mutant)
        ]
    sys.stdout.write(f"{len(wanted) - len(survivors)} of {len(wanted)} mutants were caught\n")
    return 1 if survivors else 0


def copy_tree(place: Path) -> Path:
    """Copy what Foundry needs; node_modules by a link, which forge must be allowed to read."""
    hidden = shutil.ignore_patterns("node_modules")
    modules = REPOSITORY / "contracts/node_modules"
    shutil.copytree(REPOSITORY / "contracts", place / "contracts", ignore=hidden)
    shutil.copytree(REPOSITORY / "tests/contracts", place / "tests/contracts")
    settings = (REPOSITORY / "foundry.toml").read_text()
    allowed = f'fs_permissions = [{{ access = "read", path = "{modules}" }}, '
    (place / "foundry.toml").write_text(settings.replace("fs_permissions = [", allowed))
    (place / "contracts/node_modules").symlink_to(modules)
    return place


def caught(place: Path, number: int, name: str, old: str, new: str) -> bool:
    """Break one place, run the tests, mend it; tell which test noticed."""
    path = place / "contracts" / name
    whole = path.read_text()
    if whole.count(old) != 1:
        raise SystemExit(f"mutant {number}: {name} has {whole.count(old)} times: {old!r}")
    path.write_text(whole.replace(old, new))
    try:
        red = first_red(place, "sweep" if name.startswith("sweep") else "guard")
    except ForgeError:
        red = ""  # a mutant that does not compile shows nothing
    path.write_text(whole)
    line = whole[: whole.index(old)].count("\n") + 1
    short = " ".join(old.split())[:60]
    sys.stdout.write(f"{number:3} {name}:{line} {short} → {red or 'NOBODY NOTICED'}\n")
    sys.stdout.flush()
    return bool(red)


def first_red(place: Path, folder: str = "*") -> str:
    """Name the first test that fails; empty if all is green."""
    done = forge(place, "build", "--silent")
    if done.returncode == 0:
        # Gas changes with every mutant, so those tests would notice anything.
        path = f"tests/contracts/{folder}/*"
        done = forge(place, "test", "--match-path", path, "--fail-fast")
    if done.returncode == 0:
        return ""
    found = re.search(r"\[FAIL.*\] (\w+)\(", done.stdout)
    if found:
        return found.group(1)
    sys.stderr.write(f"{done.stdout}\n{done.stderr}\n")
    raise ForgeError


def forge(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run forge's own binary: npm's wrapper in .bin ends with 0 whatever happened."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"forge-{platform.system().lower()}-{machine}"
    binary = place / "contracts/node_modules/@foundry-rs" / package / "bin/forge"
    command = [str(binary), *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
