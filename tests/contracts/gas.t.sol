// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {ISweepBatcher} from "contracts/interfaces/ISweepBatcher.sol";
import {SweepFixture} from "tests/contracts/fixtures/SweepFixture.sol";
import {SafeTx} from "tests/contracts/fixtures/VaultFixture.sol";

/// What an operation costs as a transaction of its own, the 21,000 and the calldata included.
/// The figures are in snapshots/GasTest.json; another figure turns these tests red.
/// forge-config: default.isolate = true
contract GasTest is SweepFixture {
    function test_Payments() public {
        _pay(_native(payee, 1));
        _pay(_transfer(payee, 1));
        _measure(_native(payee, 1), "pay native");
        _measure(_transfer(payee, 1), "pay token");
        _measure(_native(address(vault), 0), "reject");
        bytes memory announce = abi.encodeCall(IPermitGuard.announceDestination, (stranger));
        _measure(_call(address(guard), announce), "announce");
    }

    /// The first payment writes a place of the ring anew; the second adds to it.
    function test_Limits() public {
        _measure(_native(payee, 1), "pay native, first of all");
        vm.warp(vm.getBlockTimestamp() + 3 hours);
        _measure(_native(payee, 1), "pay native, next bucket");
        vm.warp(vm.getBlockTimestamp() + 2 days);
        _measure(_native(payee, 1), "pay native, after two days");
        bytes memory items;
        for (uint256 i = 0; i < 10; ++i) {
            items = bytes.concat(items, _item(_transfer(payee, 1)));
        }
        _pay(_batch(items));
        _measure(_batch(items), "pay token, 10 items");
    }

    function test_Changes() public {
        SafeTx memory change =
            _call(address(guard), abi.encodeCall(IPermitGuard.setLimit, (NATIVE, 1)));
        _pay(_native(payee, 1));
        _measure(_announcement(change), "announce a change");
        vm.warp(vm.getBlockTimestamp() + 2 days);
        _measure(change, "change a limit");
        vm.prank(freezer);
        guard.freeze(address(vault));
        vm.snapshotGasLastCall("freeze");
        guard.unfreeze(address(vault), _signatures(2, guard.unfreezeDigest(address(vault), 1)));
        vm.snapshotGasLastCall("unfreeze");
    }

    function test_Vault() public {
        bytes memory install = _install(_limits(), _list(payee));
        factory.createProxyWithNonce(safeL2, _initializer(install, address(0)), 2);
        vm.snapshotGasLastCall("create vault");
    }

    function test_Sweeps() public {
        vm.deal(leaf, 20);
        dollar.mint(leaf, 20);
        _sweep(_item(leaf, NATIVE, 1));
        _measure(NATIVE, 1, "sweep native");
        _measure(address(dollar), 1, "sweep token");
        _measure(address(dollar), 10, "sweep token, 10 items");
    }

    function _measure(SafeTx memory t, string memory name) private {
        _execute(t, _signed(t));
        vm.snapshotGasLastCall(name);
    }

    function _measure(address token, uint256 count, string memory name) private {
        ISweepBatcher.Item[] memory items = new ISweepBatcher.Item[](count);
        for (uint256 i = 0; i < count; ++i) {
            items[i] = _item(leaf, token, 1);
        }
        vm.prank(relay);
        batcher.sweep(items);
        vm.snapshotGasLastCall(name);
    }
}
