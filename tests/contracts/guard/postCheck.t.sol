// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "forge-std/Vm.sol";
import {ITransactionGuard} from "@safe-global/safe-smart-account/contracts/base/GuardManager.sol";
import {IERC165} from "@safe-global/safe-smart-account/contracts/interfaces/IERC165.sol";
import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {Enum} from "@safe-global/safe-smart-account/contracts/libraries/Enum.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {SafeConfiguration} from "contracts/libraries/SafeConfiguration.sol";
import {SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

/// A payee that does something else as soon as it is paid.
contract BusyPayee {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private _target;
    bytes private _data;
    bytes32[] private _slots;
    bytes32[] private _values;
    bool public succeeded;

    function planCall(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    function planStore(address target, bytes32 slot, bytes32 value) external {
        _target = target;
        _slots.push(slot);
        _values.push(value);
    }

    /// Storage of the vault changes under way, as by a delegatecall that slipped through.
    receive() external payable {
        for (uint256 i = 0; i < _slots.length; ++i) {
            VM.store(_target, _slots[i], _values[i]);
        }
        if (_data.length == 0) return;
        bytes memory why;
        (succeeded, why) = _target.call(_data);
        if (!succeeded) {
            assembly ("memory-safe") {
                revert(add(why, 0x20), mload(why))
            }
        }
    }
}

contract PostCheckTest is VaultFixture {
    BusyPayee private _busy;

    function setUp() public override {
        super.setUp();
        _busy = new BusyPayee();
        vm.allowCheatcodes(address(_busy));
        SafeTx memory t = _call(
            address(guard), abi.encodeCall(IPermitGuard.announceDestination, (address(_busy)))
        );
        _pay(t);
        vm.warp(vm.getBlockTimestamp() + 1 days);
    }

    function test_TheTransactionGuardStays() public {
        _refuseStore(
            bytes32(SafeConfiguration.GUARD_SLOT),
            0,
            abi.encodeWithSelector(IPermitGuard.PermitGuard_GuardRemoved.selector, address(0))
        );
    }

    function test_TheModuleGuardStays() public {
        _refuseStore(
            bytes32(SafeConfiguration.MODULE_GUARD_SLOT),
            bytes32(uint256(uint160(stranger))),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_ModuleGuardRemoved.selector, stranger)
        );
    }

    function test_TheFallbackHandlerStaysZero() public {
        _refuseStore(
            bytes32(SafeConfiguration.FALLBACK_HANDLER_SLOT),
            bytes32(uint256(uint160(address(dollar)))),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_FallbackHandlerSet.selector, address(dollar)
            )
        );
    }

    function test_NoModuleIsEnabled() public {
        _busy.planStore(address(vault), _moduleSlot(stranger), bytes32(uint256(1)));
        _refuseStore(
            _moduleSlot(address(1)),
            bytes32(uint256(uint160(stranger))),
            abi.encodePacked(IPermitGuard.PermitGuard_ModulesChanged.selector)
        );
    }

    /// The implementation put in its place has the same code: only the proxy tells the truth.
    function test_TheSingletonStays() public {
        address twin = makeAddr("twin");
        vm.etch(twin, safeL2.code);
        _refuseStore(
            0,
            bytes32(uint256(uint160(twin))),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_SingletonChanged.selector, twin)
        );
    }

    function test_TheThresholdStays() public {
        _refuseStore(
            bytes32(uint256(4)),
            bytes32(uint256(1)),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_PeopleChanged.selector,
                keccak256(abi.encode(vault.getOwners(), uint256(1)))
            )
        );
    }

    /// The stranger steps in before the first person in the Safe's list of owners.
    function test_TheOwnersStay() public {
        address[] memory owners = vault.getOwners();
        address[] memory replaced = vault.getOwners();
        replaced[0] = stranger;
        bytes32 next = bytes32(uint256(uint160(owners[1])));
        _busy.planStore(address(vault), _ownerSlot(stranger), next);
        _refuseStore(
            _ownerSlot(address(1)),
            bytes32(uint256(uint160(stranger))),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_PeopleChanged.selector,
                keccak256(abi.encode(replaced, uint256(2)))
            )
        );
    }

    function test_TheLockOpensAfterEachPayment() public {
        _pay(_native(payee, 1));
        _pay(_native(payee, 1));
        assertEq(payee.balance, 2);
    }

    /// Rule 6: a nested execution would interleave pre-check and post-check.
    function test_ANestedExecutionIsRefused() public {
        SafeTx memory outer = _native(address(_busy), 1 ether);
        SafeTx memory inner = _native(payee, 1 ether);
        uint256 nonce = vault.nonce();
        bytes memory call = abi.encodeCall(
            ISafe.execTransaction,
            (
                inner.to,
                inner.value,
                inner.data,
                Enum.Operation.Call,
                0,
                0,
                0,
                address(0),
                payable(address(0)),
                _signedAt(inner, nonce + 1)
            )
        );
        _busy.planCall(address(vault), call);
        _refuse(
            outer,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_Reentered.selector, _hash(outer, nonce)
            )
        );
    }

    function test_APayeeHasNoPartInTheVaultsLock() public {
        _busy.planCall(
            address(guard), abi.encodeCall(IPermitGuard.announceDestination, (stranger))
        );
        _refuse(
            _native(address(_busy), 1 ether),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotRunning.selector, bytes32(0))
        );
    }

    function testFuzz_APostCheckBelongsToARunningHash(address caller, bytes32 hash) public {
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotRunning.selector, hash)
        );
        ITransactionGuard(address(guard)).checkAfterExecution(hash, true);
    }

    function test_APostCheckBelongsToItsOwnHash() public {
        SafeTx memory outer = _native(address(_busy), 1 ether);
        bytes memory call =
            abi.encodeCall(ITransactionGuard.checkAfterExecution, (bytes32(0), true));
        _busy.planCall(address(guard), call);
        _refuse(
            outer,
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotRunning.selector, bytes32(0))
        );
    }

    /// Rule 7: should a module ever stand in the vault, it moves nothing.
    function test_AModuleMovesNothing() public {
        vm.store(address(vault), _moduleSlot(address(1)), bytes32(uint256(uint160(stranger))));
        vm.store(address(vault), _moduleSlot(stranger), bytes32(uint256(1)));
        assertTrue(vault.isModuleEnabled(stranger));
        bytes memory why =
            abi.encodeWithSelector(IPermitGuard.PermitGuard_ModuleRefused.selector, stranger);
        vm.startPrank(stranger);
        vm.expectRevert(why);
        vault.execTransactionFromModule(stranger, 1 ether, "", Enum.Operation.Call);
        vm.expectRevert(why);
        vault.execTransactionFromModuleReturnData(payee, 1, "", Enum.Operation.DelegateCall);
    }

    /// Rule 1: a vault answers no EIP-1271 question, so no permit-token can be emptied that way.
    function test_AVaultIsNoEip1271Signer() public {
        bytes32 digest = keccak256("a bytes permit");
        (, bytes memory answer) = address(vault).call(
            abi.encodeWithSignature(
                "isValidSignature(bytes32,bytes)", digest, _peopleSign(digest)
            )
        );
        assertEq(answer.length, 0);
    }

    function testFuzz_ItSupportsBothGuardInterfacesAndErc165Only(bytes4 other) public view {
        IERC165 asked = IERC165(address(guard));
        assertTrue(asked.supportsInterface(0xe6d7a83a));
        assertTrue(asked.supportsInterface(0x58401ed8));
        assertTrue(asked.supportsInterface(0x01ffc9a7));
        vm.assume(other != 0xe6d7a83a && other != 0x58401ed8 && other != 0x01ffc9a7);
        assertFalse(asked.supportsInterface(other));
    }

    function _refuseStore(bytes32 slot, bytes32 value, bytes memory why) private {
        _busy.planStore(address(vault), slot, value);
        _refuse(_native(address(_busy), 1 ether), why);
    }

    /// `modules` is the Safe's slot 1, `owners` its slot 2.
    function _moduleSlot(address module) private pure returns (bytes32) {
        return keccak256(abi.encode(module, uint256(1)));
    }

    function _ownerSlot(address owner) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, uint256(2)));
    }
}
