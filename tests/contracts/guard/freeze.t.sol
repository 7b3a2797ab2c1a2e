// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {SafeConfiguration} from "contracts/libraries/SafeConfiguration.sol";
import {SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

/// Rule 8, the guard's half: one may brake, for three days; the exit is held up once.
contract FreezeTest is VaultFixture {
    function testFuzz_OnlyAFreezerFreezes(address caller) public {
        vm.assume(caller != freezer);
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotFreezer.selector, caller)
        );
        guard.freeze(address(vault));
        vm.prank(freezer);
        vm.expectRevert(
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotFreezer.selector, freezer)
        );
        guard.freeze(stranger);
    }

    function test_AFrozenVaultPaysAndBeginsNothing() public {
        SafeTx memory change =
            _call(address(guard), abi.encodeCall(IPermitGuard.setPermitSigner, (stranger)));
        _announce(change);
        uint256 until = vm.getBlockTimestamp() + 3 days;
        vm.expectEmit(address(guard));
        emit IPermitGuard.Frozen(address(vault), freezer, until, 0);
        _freeze();
        assertEq(guard.frozenUntil(address(vault)), until);
        SafeTx[6] memory stopped = [
            _native(payee, 1),
            _transfer(payee, 1),
            _batch(_item(_native(payee, 1))),
            change,
            _announcement(_native(payee, 1)),
            _call(address(guard), abi.encodeCall(IPermitGuard.announceDestination, (stranger)))
        ];
        for (uint256 i = 0; i < 12; ++i) {
            if (i == 6) vm.warp(until - 1);
            _refuse(
                stopped[i % 6],
                abi.encodeWithSelector(IPermitGuard.PermitGuard_Frozen.selector, until)
            );
        }
        vm.warp(until);
        for (uint256 i = 0; i < 6; ++i) {
            if (i != 3) _pay(stopped[i]);
        }
        _pay(change);
    }

    function test_AFrozenVaultStillTightens() public {
        SafeTx memory change = _native(payee, 1);
        _pay(_announcement(change));
        _freeze();
        _pay(_native(address(vault), 0));
        _pay(_call(address(guard), abi.encodeCall(IPermitGuard.cancel, (_changeHash(change)))));
        _pay(_call(address(guard), abi.encodeCall(IPermitGuard.revokeDestination, (payee))));
        _pay(_call(address(guard), abi.encodeCall(IPermitGuard.lowerLimit, (NATIVE, 0))));
    }

    /// One freezer alone does not stop a vault for ever: three days of every six at most.
    function test_AFreezeHasItsRest() public {
        _freeze();
        uint256 again = START + 6 days;
        _refuseFreeze(again);
        vm.warp(again - 1);
        _refuseFreeze(again);
        vm.warp(again);
        _freeze();
        assertEq(guard.frozenUntil(address(vault)), again + 3 days);
        // People end it a day later: the rest begins then.
        vm.warp(again + 1 days);
        guard.unfreeze(address(vault), _unfreezing(2));
        _refuseFreeze(again + 4 days);
    }

    function test_PeopleEndAFreeze() public {
        assertEq(guard.freezeCount(address(vault)), 0);
        _refuseUnfreeze(
            "", abi.encodeWithSelector(IPermitGuard.PermitGuard_NotFrozen.selector, vault)
        );
        _freeze();
        assertEq(guard.freezeCount(address(vault)), 1);
        bytes memory good = _unfreezing(1);
        vm.expectEmit(address(guard));
        emit IPermitGuard.Unfrozen(address(vault), 1);
        vm.prank(stranger);
        guard.unfreeze(address(vault), good);
        _pay(_native(payee, 1));
        _refuseUnfreeze(
            good, abi.encodeWithSelector(IPermitGuard.PermitGuard_NotFrozen.selector, vault)
        );
        // What was signed for one freeze does not end another.
        vm.warp(START + 3 days);
        _freeze();
        _refuseUnfreeze(good, bytes("GS026"));
        vm.warp(START + 6 days);
        _refuseUnfreeze(
            _unfreezing(2),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotFrozen.selector, vault)
        );
    }

    function test_OnlyThePeoplesThresholdEndsAFreeze() public {
        _freeze();
        bytes32 digest = guard.unfreezeDigest(address(vault), 1);
        bytes memory first = _signature(peopleKeys[0], digest);
        _refuseUnfreeze(first, bytes("GS020"));
        _refuseUnfreeze(bytes.concat(first, first), bytes("GS026"));
        _refuseUnfreeze(bytes.concat(first, _signature(permitKey, digest)), bytes("GS026"));
        bytes32[3] memory others = [
            guard.unfreezeDigest(address(vault), 2),
            guard.unfreezeDigest(stranger, 1),
            exitModule.announceDigest(address(vault), 1)
        ];
        for (uint256 i = 0; i < 3; ++i) {
            _refuseUnfreeze(_signatures(2, others[i]), bytes("GS026"));
        }
        vm.chainId(1);
        bytes memory elsewhere = _unfreezing(1);
        vm.chainId(31337);
        _refuseUnfreeze(elsewhere, bytes("GS026"));
        // Nobody's mere call is a signature.
        vm.prank(people[0]);
        _refuseUnfreeze(
            bytes.concat(
                abi.encodePacked(uint256(uint160(people[0])), uint256(0), uint8(1)),
                _signature(peopleKeys[1], digest)
            ),
            bytes("GS025")
        );
    }

    function test_TheUnfreezeDigestIsEip712() public view {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Unfreeze(address safe,uint256 count)"), address(vault), uint256(5)
            )
        );
        assertEq(
            guard.unfreezeDigest(address(vault), 5),
            keccak256(abi.encodePacked(hex"1901", guard.domainSeparator(), structHash))
        );
    }

    /// Rule 7: the exit passes the module guard, and ends it.
    function test_TheExitTakesBothGuardsOff() public {
        _announceExit(1);
        vm.warp(START + 7 days);
        exitModule.leave(address(vault));
        assertEq(
            SafeConfiguration.addressAt(address(vault), SafeConfiguration.GUARD_SLOT), NATIVE
        );
        assertEq(
            SafeConfiguration.addressAt(address(vault), SafeConfiguration.MODULE_GUARD_SLOT),
            NATIVE
        );
        // The people alone, to anybody, without Permit.
        SafeTx memory all = _native(stranger, ETH_START);
        assertTrue(_execute(all, _peopleSign(_hash(all, vault.nonce()))));
    }

    function test_TheExitIsHeldUpOnceForEachAnnouncement() public {
        _announceExit(1);
        vm.warp(START + 6 days);
        uint256 until = START + 9 days;
        vm.expectEmit(address(guard));
        emit IPermitGuard.Frozen(address(vault), freezer, until, until);
        _freeze();
        assertEq(guard.exitFrozenUntil(address(vault)), until);
        bytes memory held =
            abi.encodeWithSelector(IPermitGuard.PermitGuard_ExitFrozen.selector, until);
        vm.warp(START + 7 days);
        vm.expectRevert(held);
        exitModule.leave(address(vault));
        vm.warp(until - 1);
        vm.expectRevert(held);
        exitModule.leave(address(vault));
        // A second freeze, as soon as there can be one, does not hold up the same exit.
        vm.warp(until + 3 days);
        _freeze();
        assertEq(guard.exitFrozenUntil(address(vault)), until);
        uint256 snapshot = vm.snapshotState();
        exitModule.leave(address(vault));
        vm.revertToState(snapshot);
        // The next announcement can be held up again, once.
        exitModule.cancel(
            address(vault), _signatures(2, exitModule.cancelDigest(address(vault), 1))
        );
        _announceExit(2);
        vm.warp(until + 9 days);
        _freeze();
        assertEq(guard.exitFrozenUntil(address(vault)), until + 12 days);
    }

    function test_AFreezeBeforeTheAnnouncementHoldsUpNoExit() public {
        _freeze();
        _announceExit(1);
        assertEq(guard.exitFrozenUntil(address(vault)), 0);
        vm.warp(START + 7 days);
        exitModule.leave(address(vault));
    }

    function test_AFreezeAfterACancelledAnnouncementHoldsUpNothing() public {
        _announceExit(1);
        exitModule.cancel(
            address(vault), _signatures(2, exitModule.cancelDigest(address(vault), 1))
        );
        _freeze();
        assertEq(guard.exitFrozenUntil(address(vault)), 0);
    }

    function test_PeopleFreeTheExitToo() public {
        _announceExit(1);
        vm.warp(START + 7 days - 1);
        _freeze();
        vm.warp(START + 7 days);
        guard.unfreeze(address(vault), _unfreezing(1));
        exitModule.leave(address(vault));
    }

    /// Ending a later freeze does not turn an earlier hold of the exit into a new one.
    function test_AnUnfreezeNeverProlongsTheHoldOfTheExit() public {
        _announceExit(1);
        _freeze();
        vm.warp(START + 6 days);
        _freeze();
        guard.unfreeze(address(vault), _unfreezing(2));
        assertEq(guard.exitFrozenUntil(address(vault)), START + 3 days);
    }

    function _freeze() private {
        vm.prank(freezer);
        guard.freeze(address(vault));
    }

    function _refuseFreeze(uint256 again) private {
        vm.prank(freezer);
        vm.expectRevert(
            abi.encodeWithSelector(IPermitGuard.PermitGuard_FrozenLately.selector, again)
        );
        guard.freeze(address(vault));
    }

    function _refuseUnfreeze(bytes memory signatures, bytes memory why) private {
        vm.expectRevert(why);
        guard.unfreeze(address(vault), signatures);
    }

    function _unfreezing(uint256 count) private view returns (bytes memory) {
        return _signatures(2, guard.unfreezeDigest(address(vault), count));
    }

    function _announceExit(uint256 id) private {
        exitModule.announce(
            address(vault), _signatures(2, exitModule.announceDigest(address(vault), id))
        );
    }
}
