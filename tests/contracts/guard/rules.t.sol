// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardManager} from "@safe-global/safe-smart-account/contracts/interfaces/IGuardManager.sol";
import {Enum} from "@safe-global/safe-smart-account/contracts/libraries/Enum.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {SafeConfiguration} from "contracts/libraries/SafeConfiguration.sol";
import {IMultiSend, SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";
import {TestDollar} from "tests/contracts/tokens/TestDollar.sol";

/// A token with a `permit` that takes any EIP-1271 signature.
contract BytesPermitDollar is TestDollar {
    constructor() TestDollar(msg.sender) {}

    function permit(address owner, address spender, uint256 units, bytes calldata signature)
        external
    {
        bytes32 digest = keccak256(abi.encode(owner, spender, units));
        (bool ok, bytes memory answer) = owner.staticcall(
            abi.encodeWithSignature("isValidSignature(bytes32,bytes)", digest, signature)
        );
        require(ok && answer.length == 32 && bytes4(answer) == 0x1626ba7e, "no signature");
        _approve(owner, spender, units);
    }
}

/// What a careful programmer might have written: everything goes but calls to the Safe, and coins
/// go to one payee. It reads a batch where the argument usually stands.
contract NaiveGuard {
    bytes4 private constant TRANSFER = 0xa9059cbb;
    address private immutable _payee;

    constructor(address payee) {
        _payee = payee;
    }

    function checkTransaction(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256,
        uint256,
        uint256,
        address,
        address payable,
        bytes calldata,
        address
    ) external view {
        if (operation == 0) return _check(to, value, data);
        uint256 end = 68 + uint256(bytes32(data[36:68]));
        for (uint256 at = 68; at < end;) {
            uint256 length = uint256(bytes32(data[at + 53:at + 85]));
            _check(
                address(bytes20(data[at + 1:at + 21])),
                uint256(bytes32(data[at + 21:at + 53])),
                data[at + 85:at + 85 + length]
            );
            at += 85 + length;
        }
    }

    function checkAfterExecution(bytes32, bool) external {}

    function supportsInterface(bytes4) external pure returns (bool) {
        return true;
    }

    function _check(address to, uint256 value, bytes calldata data) private view {
        require(to != msg.sender, "a call to the Safe");
        require(value == 0 || to == _payee, "another payee");
        bool pays = data.length >= 4 && bytes4(data) == TRANSFER;
        require(!pays || address(uint160(uint256(bytes32(data[4:36])))) == _payee, "another payee");
    }
}

/// The rules of the field: each attack empties a vault that lacks the rule, and fails on ours.
/// The stranger has everybody's signatures but our Permit only where a test says so.
contract RulesTest is VaultFixture {
    uint256 private constant ALL = TUSD_START;

    function test_Rule1_ASignedMessageEmptiesAVaultWithAFallbackHandler() public {
        BytesPermitDollar token = new BytesPermitDollar();
        token.mint(address(vault), ALL);
        bytes32 digest = keccak256(abi.encode(vault, stranger, ALL));
        bytes memory signature = _messageSigned(digest);
        uint256 snapshot = vm.snapshotState();
        _set(
            SafeConfiguration.FALLBACK_HANDLER_SLOT,
            _deploy(
                _official("handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json")
            )
        );
        token.permit(address(vault), stranger, ALL, signature);
        vm.prank(stranger);
        token.transferFrom(address(vault), stranger, ALL);
        assertEq(token.balanceOf(stranger), ALL, "no theft without the rule");

        vm.revertToState(snapshot);
        vm.expectRevert(bytes("no signature"));
        token.permit(address(vault), stranger, ALL, signature);
    }

    function test_Rule1_ATokenAsHandlerObeysAnyStranger() public {
        bytes memory theft = abi.encodeCall(dollar.transfer, (stranger, ALL));
        uint256 snapshot = vm.snapshotState();
        _set(SafeConfiguration.FALLBACK_HANDLER_SLOT, address(dollar));
        vm.prank(stranger);
        (bool moved,) = address(vault).call(theft);
        assertTrue(moved && dollar.balanceOf(stranger) == ALL, "no theft without the rule");

        vm.revertToState(snapshot);
        SafeTx memory handler = _call(
            address(vault), abi.encodeWithSignature("setFallbackHandler(address)", dollar)
        );
        _announce(handler);
        _refuse(
            handler,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_FallbackHandlerSet.selector, address(dollar)
            )
        );
        vm.prank(stranger);
        (moved,) = address(vault).call(theft);
        assertEq(dollar.balanceOf(stranger), 0);
    }

    /// A payment that failed once stays payable by anybody; a mined rejection kills it.
    function test_Rule2_WhatFailedIsPayableUntilItsNonceIsGone() public {
        SafeTx memory payment = _native(payee, 1 ether);
        bytes memory signatures = _signed(payment);
        bytes memory code = hex"5f5ffd";
        vm.etch(payee, code);
        vm.expectRevert();
        _execute(payment, signatures);
        vm.etch(payee, "");
        uint256 snapshot = vm.snapshotState();
        vm.prank(stranger);
        assertTrue(_execute(payment, signatures), "it was dead without a rejection");
        assertEq(payee.balance, 1 ether);

        vm.revertToState(snapshot);
        _pay(_native(address(vault), 0));
        _refuseSigned(payment, signatures, bytes("GS026"));
    }

    function test_Rule3_ARefundEmptiesAVault() public {
        SafeTx memory t = _native(payee, 1);
        (t.baseGas, t.gasPrice) = (ALL - 1_000e6, 1);
        (t.gasToken, t.refundReceiver) = (address(dollar), stranger);
        uint256 snapshot = vm.snapshotState();
        _unguard();
        assertTrue(_execute(t, _peopleSign(_hash(t, 0))));
        assertGe(dollar.balanceOf(stranger), ALL - 1_000e6, "no theft without the rule");

        vm.revertToState(snapshot);
        _refuse(t, abi.encodePacked(IPermitGuard.PermitGuard_RefundFieldsNotZero.selector));
    }

    function test_Rule4_AnItemToZeroTakesTheGuardOff() public {
        SafeTx memory t =
            _batch(_item(address(0), 0, abi.encodeCall(IGuardManager.setGuard, (address(0)))));
        uint256 snapshot = vm.snapshotState();
        _guardNaively();
        _refuseSigned(
            _native(stranger, 1), _peopleSign(_hash(_native(stranger, 1), 0)), "another payee"
        );
        assertTrue(_execute(t, _peopleSign(_hash(t, 0))));
        SafeTx memory theft = _native(stranger, ETH_START);
        assertTrue(_execute(theft, _peopleSign(_hash(theft, 1))), "no theft without the rule");

        vm.revertToState(snapshot);
        _refuse(t, abi.encodeWithSignature("CanonicalBatch_ItemToZero(uint256)", 0));
    }

    function test_Rule4_ADecoyHidesTheTheft() public {
        bytes memory decoy = _item(_native(payee, 1));
        bytes memory theft = _item(stranger, ETH_START, "");
        SafeTx memory t = _batch("");
        t.data = bytes.concat(
            IMultiSend.multiSend.selector,
            abi.encode(uint256(192), decoy.length),
            decoy,
            new bytes(128 - decoy.length),
            bytes32(theft.length),
            theft,
            new bytes(96 - theft.length)
        );
        uint256 snapshot = vm.snapshotState();
        _guardNaively();
        assertTrue(_execute(t, _peopleSign(_hash(t, 0))));
        assertEq(stranger.balance, ETH_START, "no theft without the rule");

        vm.revertToState(snapshot);
        _refuse(t, abi.encodeWithSignature("CanonicalBatch_NotCanonical()"));
    }

    function test_Rule5_PeopleAloneEmptyAVaultThatNeedsNoPermit() public {
        SafeTx memory theft = _native(stranger, ETH_START);
        bytes memory signatures = _peopleSign(_hash(theft, 0));
        uint256 snapshot = vm.snapshotState();
        _unguard();
        assertTrue(_execute(theft, signatures), "no theft without the rule");

        vm.revertToState(snapshot);
        _refuseSigned(
            theft,
            signatures,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_SignaturesLength.selector, 130, 130 + 81
            )
        );
    }

    function test_Rule6_WhoTakesTheGuardOffHasTheVault() public {
        SafeTx memory removal =
            _call(address(vault), abi.encodeCall(IGuardManager.setGuard, (address(0))));
        SafeTx memory theft = _native(stranger, ETH_START);
        uint256 snapshot = vm.snapshotState();
        _unguard();
        assertTrue(_execute(removal, _peopleSign(_hash(removal, 0))));
        assertTrue(_execute(theft, _peopleSign(_hash(theft, 1))), "no theft without the rule");

        vm.revertToState(snapshot);
        _refuse(
            removal,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ChangeNotAnnounced.selector, _changeHash(removal)
            )
        );
        _announce(removal);
        _refuse(
            removal,
            abi.encodeWithSelector(IPermitGuard.PermitGuard_GuardRemoved.selector, address(0))
        );
    }

    function test_Rule7_TheTransactionGuardSeesNoModule() public {
        uint256 snapshot = vm.snapshotState();
        vm.prank(address(vault));
        vault.enableModule(stranger);
        _set(SafeConfiguration.MODULE_GUARD_SLOT, address(0));
        vm.prank(stranger);
        vault.execTransactionFromModule(stranger, ETH_START, "", Enum.Operation.Call);
        assertEq(stranger.balance, ETH_START, "no theft without the rule");

        vm.revertToState(snapshot);
        vm.prank(address(vault));
        vault.enableModule(stranger);
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IPermitGuard.PermitGuard_ModuleRefused.selector, stranger)
        );
        vault.execTransactionFromModule(stranger, ETH_START, "", Enum.Operation.Call);
    }

    /// One leaky bucket passes nearly twice the limit within a day; the ring does not.
    function test_Rule9_ALeakyBucketLeaksTwiceTheLimit() public {
        uint256 level;
        uint256 leaked;
        uint256 paid;
        for (uint256 hour = 0; hour < 24; ++hour) {
            vm.warp(START + hour * 1 hours);
            if (hour > 0) level -= ETH_LIMIT / 24;
            uint256 room = ETH_LIMIT - level;
            level += room;
            leaked += room;
            (,, uint256 spentUnits) = guard.limitOf(address(vault), NATIVE);
            SafeTx memory payment = _native(payee, room);
            if (spentUnits + room <= ETH_LIMIT) {
                _pay(payment);
                paid += room;
            } else {
                _refuse(
                    payment,
                    abi.encodeWithSelector(
                        IPermitGuard.PermitGuard_LimitExceeded.selector,
                        NATIVE,
                        room,
                        spentUnits,
                        ETH_LIMIT
                    )
                );
            }
        }
        assertGt(leaked, uint256(ETH_LIMIT) * 195 / 100, "the bucket does not leak");
        assertEq(paid, ETH_LIMIT);
    }

    function test_Rule10_AnApprovalIsATheftLaterOn() public {
        SafeTx memory approval =
            _call(address(dollar), abi.encodeCall(dollar.approve, (stranger, ALL)));
        uint256 snapshot = vm.snapshotState();
        _guardNaively();
        assertTrue(_execute(approval, _peopleSign(_hash(approval, 0))));
        vm.prank(stranger);
        dollar.transferFrom(address(vault), stranger, ALL);
        assertEq(dollar.balanceOf(stranger), ALL, "no theft without the rule");

        vm.revertToState(snapshot);
        _refuse(
            approval, abi.encodePacked(IPermitGuard.PermitGuard_CalldataIsNotTransfer.selector)
        );
    }

    function _messageSigned(bytes32 digest) private view returns (bytes memory) {
        // SafeMessage(bytes message), as the compatibility handler wants it.
        bytes32 typehash = 0x60b3cbf8b4a223d68d641b3b6ddf9a298e7f33710cf3d3a9d1146b5a6150fbca;
        bytes32 structHash = keccak256(abi.encode(typehash, keccak256(abi.encode(digest))));
        return _signatures(
            2, keccak256(abi.encodePacked(hex"1901", vault.domainSeparator(), structHash))
        );
    }

    function _guardNaively() private {
        _set(SafeConfiguration.GUARD_SLOT, address(new NaiveGuard(payee)));
    }

    function _unguard() private {
        _set(SafeConfiguration.GUARD_SLOT, address(0));
    }

    function _set(uint256 slot, address value) private {
        vm.store(address(vault), bytes32(slot), bytes32(uint256(uint160(value))));
    }
}
