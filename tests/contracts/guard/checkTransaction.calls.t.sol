// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFallbackManager} from "@safe-global/safe-smart-account/contracts/interfaces/IFallbackManager.sol";
import {IGuardManager} from "@safe-global/safe-smart-account/contracts/interfaces/IGuardManager.sol";
import {IModuleManager} from "@safe-global/safe-smart-account/contracts/interfaces/IModuleManager.sol";
import {IOwnerManager} from "@safe-global/safe-smart-account/contracts/interfaces/IOwnerManager.sol";
import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

/// Where a fully signed transaction may go.
contract CheckTransactionCallsTest is VaultFixture {
    function test_NativeValueToAnAllowedDestination() public {
        _pay(_native(payee, 3 ether));
        assertEq(payee.balance, 3 ether);
    }

    function test_AnExactTransferToAnAllowedDestination() public {
        _pay(_transfer(payee, 5e6));
        assertEq(dollar.balanceOf(payee), 5e6);
    }

    function test_ARejectionConsumesTheNonceAndMovesNothing() public {
        _pay(_native(address(vault), 0));
        assertEq(vault.nonce(), 1);
        assertEq(address(vault).balance, ETH_START);
    }

    /// Rule 2: what was signed for a nonce is dead once a rejection has consumed it.
    function test_APaymentIsDeadAfterTheRejectionOfItsNonce() public {
        SafeTx memory payment = _native(payee, 1 ether);
        bytes memory signatures = _signed(payment);
        _pay(_native(address(vault), 0));
        _refuseSigned(payment, signatures, bytes("GS026"));
    }

    /// Rules 1, 4: no delegatecall but to MultiSendCallOnly; SignMessageLib is one of the others.
    function testFuzz_AnotherDelegatecallIsRefused(address to, bytes calldata data) public {
        vm.assume(to != multiSend);
        SafeTx memory t = _call(to, data);
        t.operation = 1;
        _refuse(
            t, abi.encodeWithSelector(IPermitGuard.PermitGuard_DelegatecallRefused.selector, to)
        );
    }

    /// What passes as a call does not pass as a delegatecall, which would run in the vault's name.
    function test_WhatPassesAsACallDoesNotPassAsADelegatecall() public {
        SafeTx[5] memory calls = [
            _native(address(vault), 0),
            _native(payee, 1),
            _transfer(payee, 1),
            _call(address(guard), abi.encodeCall(IPermitGuard.announce, (bytes32(0)))),
            _call(address(guard), abi.encodeCall(IPermitGuard.revokeDestination, (payee)))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            calls[i].operation = 1;
            _refuse(
                calls[i],
                abi.encodeWithSelector(
                    IPermitGuard.PermitGuard_DelegatecallRefused.selector, calls[i].to
                )
            );
        }
    }

    /// Rule 3: the refund fields drain a vault outside (to, value, data).
    function test_EachRefundFieldIsZero() public {
        for (uint256 i = 0; i < 5; ++i) {
            SafeTx memory t = _native(payee, 1 ether);
            if (i == 0) t.safeTxGas = 1;
            if (i == 1) t.baseGas = 1;
            if (i == 2) t.gasPrice = 1;
            if (i == 3) t.gasToken = address(dollar);
            if (i == 4) t.refundReceiver = stranger;
            _refuse(t, abi.encodePacked(IPermitGuard.PermitGuard_RefundFieldsNotZero.selector));
        }
    }

    /// Rule 6: the vault's own setters are out of reach, whoever signs.
    function test_NoSetterOfTheVaultIsReached() public {
        bytes[7] memory calls = [
            abi.encodeCall(IGuardManager.setGuard, (address(0))),
            abi.encodeCall(IModuleManager.setModuleGuard, (address(0))),
            abi.encodeCall(IModuleManager.enableModule, (stranger)),
            abi.encodeCall(IFallbackManager.setFallbackHandler, (address(dollar))),
            abi.encodeCall(IOwnerManager.addOwnerWithThreshold, (stranger, 1)),
            abi.encodeCall(IOwnerManager.changeThreshold, (1)),
            abi.encodeCall(ISafe.approveHash, (bytes32(uint256(1))))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            SafeTx memory t = _call(address(vault), calls[i]);
            _refuse(t, _notAnnounced(t));
        }
    }

    function test_TheVaultPaysNothingToItself() public {
        _refuse(
            _native(address(vault), 1),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_DestinationUnknown.selector, address(vault)
            )
        );
    }

    /// Rule 6: every other selector of the guard, and every other reading of one that is let through.
    function test_TheGuardIsCalledAtOnceForFiveThingsOnly() public {
        bytes memory announce = abi.encodeCall(IPermitGuard.announceDestination, (stranger));
        bytes[8] memory wrong = [
            abi.encodeCall(IPermitGuard.setPermitSigner, (stranger)),
            abi.encodeCall(IPermitGuard.setLimit, (NATIVE, type(uint128).max)),
            abi.encodeCall(IPermitGuard.setFreezers, (new address[](0))),
            bytes.concat(announce, hex"00"),
            abi.encodePacked(IPermitGuard.announceDestination.selector, type(uint256).max),
            abi.encodePacked(IPermitGuard.revokeDestination.selector),
            abi.encodePacked(IPermitGuard.cancel.selector, bytes31(0)),
            abi.encodePacked(IPermitGuard.announce.selector, uint256(0), uint8(0))
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            SafeTx memory t = _call(address(guard), wrong[i]);
            _refuse(t, _notAnnounced(t));
        }
        bytes[5] memory right = [
            announce,
            abi.encodeCall(IPermitGuard.revokeDestination, (payee)),
            abi.encodeCall(IPermitGuard.announce, (bytes32(0))),
            abi.encodeCall(IPermitGuard.cancel, (bytes32(0))),
            abi.encodeCall(IPermitGuard.lowerLimit, (NATIVE, 1))
        ];
        for (uint256 i = 0; i < right.length; ++i) {
            SafeTx memory withValue = _call(address(guard), right[i]);
            withValue.value = 1;
            _refuse(withValue, _notAnnounced(withValue));
            _pay(_call(address(guard), right[i]));
        }
    }

    /// Rule 6: the same words to another contract, a guard of somebody's own perhaps.
    function test_OnlyThisGuardIsCalledAtOnce() public {
        bytes[5] memory words = [
            abi.encodeCall(IPermitGuard.announceDestination, (stranger)),
            abi.encodeCall(IPermitGuard.revokeDestination, (payee)),
            abi.encodeCall(IPermitGuard.announce, (bytes32(0))),
            abi.encodeCall(IPermitGuard.cancel, (bytes32(0))),
            abi.encodeCall(IPermitGuard.lowerLimit, (NATIVE, 1))
        ];
        for (uint256 i = 0; i < words.length; ++i) {
            SafeTx memory t = _call(stranger, words[i]);
            _refuse(t, _notAnnounced(t));
        }
    }

    function test_NothingIsNoPayment() public {
        bytes memory why = abi.encodePacked(IPermitGuard.PermitGuard_NothingToPay.selector);
        _refuse(_native(payee, 0), why);
        _refuse(_transfer(payee, 0), why);
    }

    function testFuzz_NothingLeavesToAnUnknownDestination(address to, uint256 amount) public {
        vm.assume(to != payee && to != address(dollar));
        amount = bound(amount, 1, TUSD_LIMIT);
        bytes memory why =
            abi.encodeWithSelector(IPermitGuard.PermitGuard_DestinationUnknown.selector, to);
        _refuse(_native(to, amount), why);
        _refuse(_transfer(to, amount), why);
    }

    /// What is no listed asset is no payment, but a change that nobody announced.
    function test_AnotherTokenIsRefused() public {
        address[3] memory others = [stranger, payee, address(0)];
        for (uint256 i = 0; i < others.length; ++i) {
            SafeTx memory t = _call(others[i], abi.encodeCall(dollar.transfer, (payee, 1)));
            _refuse(
                t,
                others[i] == NATIVE
                    ? abi.encodeWithSelector(
                        IPermitGuard.PermitGuard_AssetNotListed.selector, NATIVE
                    )
                    : _notAnnounced(t)
            );
        }
    }

    /// Rule 10: neither `approve` nor `transferFrom`, and no calldata that reads in two ways.
    function test_OnlyTheExactTransferIsReadable() public {
        bytes memory good = abi.encodeCall(dollar.transfer, (payee, 1));
        bytes memory dirty = abi.encodePacked(
            dollar.transfer.selector, uint256(uint160(payee)) | (1 << 160), uint256(1)
        );
        bytes[6] memory wrong = [
            abi.encodeCall(dollar.approve, (payee, 1)),
            abi.encodeCall(dollar.transferFrom, (address(vault), payee, 1)),
            bytes.concat(good, hex"00"),
            abi.encodePacked(dollar.transfer.selector, uint256(uint160(payee))),
            dirty,
            abi.encodePacked(dollar.transfer.selector)
        ];
        bytes memory why =
            abi.encodePacked(IPermitGuard.PermitGuard_CalldataIsNotTransfer.selector);
        for (uint256 i = 0; i < wrong.length; ++i) {
            _refuse(_call(address(dollar), wrong[i]), why);
        }
        SafeTx memory withValue = _call(address(dollar), good);
        withValue.value = 1;
        _refuse(withValue, why);
    }

    function testFuzz_NoOtherCalldataReachesAToken(bytes calldata data) public {
        vm.assume(data.length != 0);
        vm.assume(data.length != 68 || bytes4(data) != dollar.transfer.selector);
        _refuse(
            _call(address(dollar), data),
            abi.encodePacked(IPermitGuard.PermitGuard_CalldataIsNotTransfer.selector)
        );
    }

    function test_AnUnconfiguredCallerIsRefused() public {
        vm.prank(stranger);
        (bool passed, bytes memory why) = address(guard).call(
            abi.encodeWithSignature(
                "checkTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes,address)",
                payee, 1, "", 0, 0, 0, 0, address(0), address(0), "", stranger
            )
        );
        assertFalse(passed);
        assertEq(
            why, abi.encodeWithSelector(IPermitGuard.PermitGuard_NotConfigured.selector, stranger)
        );
    }

    function _notAnnounced(SafeTx memory t) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IPermitGuard.PermitGuard_ChangeNotAnnounced.selector, _changeHash(t)
        );
    }
}
