// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILogAnchor} from "contracts/interfaces/ILogAnchor.sol";
import {VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

/// What exit and anchor cost as transactions of their own; see gas.t.sol.
/// forge-config: default.isolate = true
contract ExitGasTest is VaultFixture {
    function test_Exit() public {
        address safe = address(vault);
        exitModule.announce(safe, _signatures(2, exitModule.announceDigest(safe, 1)));
        vm.snapshotGasLastCall("announce the exit");
        exitModule.cancel(safe, _signatures(2, exitModule.cancelDigest(safe, 1)));
        vm.snapshotGasLastCall("cancel the exit");
        exitModule.announce(safe, _signatures(2, exitModule.announceDigest(safe, 2)));
        vm.warp(vm.getBlockTimestamp() + 7 days);
        exitModule.leave(safe);
        vm.snapshotGasLastCall("leave");
    }

    function test_Anchor() public {
        bytes memory arguments = abi.encode(people, 2, address(this));
        bytes memory creation = bytes.concat(vm.getCode("LogAnchor.sol:LogAnchor"), arguments);
        ILogAnchor anchor = ILogAnchor(_deploy(creation));
        anchor.anchor(1, 1_000, bytes32(uint256(1)));
        anchor.anchor(1, 2_000, bytes32(uint256(2)));
        vm.snapshotGasLastCall("anchor");
        anchor.replaceWriter(stranger, 2, _signatures(2, anchor.replaceDigest(stranger, 2)));
        vm.snapshotGasLastCall("replace the writer");
    }
}
