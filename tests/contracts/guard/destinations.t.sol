// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

contract DestinationsTest is VaultFixture {
    address private _supplier = makeAddr("supplier");

    function test_AnAnnouncedDestinationCoolsToTheSecond() public {
        uint256 usable = vm.getBlockTimestamp() + 1 days;
        vm.expectEmit(address(guard));
        emit IPermitGuard.DestinationAnnounced(address(vault), _supplier, usable);
        _announce(_supplier);
        bytes memory cooling = abi.encodeWithSelector(
            IPermitGuard.PermitGuard_DestinationCooling.selector, _supplier, usable
        );
        _refuse(_native(_supplier, 1), cooling);
        vm.warp(usable - 1);
        _refuse(_native(_supplier, 1), cooling);
        _refuse(_transfer(_supplier, 1), cooling);
        vm.warp(usable);
        _pay(_native(_supplier, 1));
        _pay(_transfer(_supplier, 1));
        assertEq(_supplier.balance, 1);
        assertEq(dollar.balanceOf(_supplier), 1);
    }

    function test_ANewAnnouncementDoesNotTouchTheCooling() public {
        _announce(_supplier);
        uint256 usable = guard.usableFrom(address(vault), _supplier);
        vm.warp(usable - 1);
        _refuse(
            _announcement(_supplier),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_DestinationKnown.selector, _supplier)
        );
        assertEq(guard.usableFrom(address(vault), _supplier), usable);
    }

    function test_OnlyAPlaceThatCanBePaidIsAnnounced() public {
        address[6] memory wrong = [
            address(0),
            address(vault),
            address(guard),
            address(exitModule),
            multiSend,
            address(dollar)
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            _refuse(
                _announcement(wrong[i]),
                abi.encodeWithSelector(
                    IPermitGuard.PermitGuard_DestinationNotAllowable.selector, wrong[i]
                )
            );
        }
    }

    function test_ARevokedDestinationIsNotPaidAnyMore() public {
        SafeTx memory payment = _native(payee, 1 ether);
        bytes memory signedBefore = _signedAt(payment, 1);
        vm.expectEmit(address(guard));
        emit IPermitGuard.DestinationRevoked(address(vault), payee);
        _pay(_call(address(guard), abi.encodeCall(IPermitGuard.revokeDestination, (payee))));
        _refuseSigned(
            payment,
            signedBefore,
            abi.encodeWithSelector(IPermitGuard.PermitGuard_DestinationUnknown.selector, payee)
        );
        _announce(payee);
        assertEq(guard.usableFrom(address(vault), payee), vm.getBlockTimestamp() + 1 days);
    }

    function test_OnlyAKnownDestinationIsRevoked() public {
        _refuse(
            _call(address(guard), abi.encodeCall(IPermitGuard.revokeDestination, (_supplier))),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_DestinationUnknown.selector, _supplier)
        );
    }

    function testFuzz_NobodyChangesAnAllowlistFromOutside(address caller) public {
        bytes memory why = abi.encodeWithSelector(
            IPermitGuard.PermitGuard_NotRunning.selector, bytes32(0)
        );
        vm.startPrank(caller);
        vm.expectRevert(why);
        guard.announceDestination(stranger);
        vm.expectRevert(why);
        guard.revokeDestination(payee);
    }

    function test_OneVaultsAllowlistIsNotAnothers() public {
        _announce(_supplier);
        assertEq(guard.usableFrom(address(_createVault(2)), _supplier), 0);
    }

    function _announce(address destination) private {
        _pay(_announcement(destination));
    }

    function _announcement(address destination) private view returns (SafeTx memory) {
        return
            _call(address(guard), abi.encodeCall(IPermitGuard.announceDestination, (destination)));
    }
}
