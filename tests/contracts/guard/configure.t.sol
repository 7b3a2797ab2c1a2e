// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "forge-std/Vm.sol";
import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

contract ConfigureTest is VaultFixture {
    uint256 private _salt = 100;

    function test_AVaultIsConfiguredOnce() public {
        _refuse(
            address(vault),
            _list(stranger),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_AlreadyConfigured.selector, address(vault)
            )
        );
    }

    function test_ThePermitSignerIsNotZero() public {
        permitSigner = address(0);
        _refuse(
            _guarded(),
            _list(payee),
            abi.encodePacked(IPermitGuard.PermitGuard_PermitSignerIsZero.selector)
        );
    }

    function test_TheImplementationHasCode() public {
        address bare = _guarded();
        vm.store(bare, 0, bytes32(uint256(uint160(stranger))));
        _refuse(
            bare,
            _list(payee),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_SingletonHasNoCode.selector, stranger
            )
        );
    }

    function test_BothGuardsMustStandBefore() public {
        address bare = _bare();
        _refuse(
            bare,
            _list(payee),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_GuardRemoved.selector, address(0))
        );
        vm.prank(bare);
        ISafe(payable(bare)).setGuard(address(guard));
        _refuse(
            bare,
            _list(payee),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ModuleGuardRemoved.selector, address(0)
            )
        );
    }

    /// Rule 1: with a token as fallback handler any stranger moves the vault's tokens.
    function test_AVaultBornWithAFallbackHandlerIsRefused() public {
        address bare = _guarded();
        vm.prank(bare);
        ISafe(payable(bare)).setFallbackHandler(address(dollar));
        _refuse(
            bare,
            _list(payee),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_FallbackHandlerSet.selector, address(dollar)
            )
        );
        bytes memory install = _install(_limits(), _list(payee));
        bytes memory initializer = _initializer(install, address(dollar));
        vm.expectRevert(bytes("GS000"));
        factory.createProxyWithNonce(safeL2, initializer, ++_salt);
    }

    /// Rule 7: the exit, and nothing beside it.
    function test_TheExitIsTheOnlyModule() public {
        bytes memory why = abi.encodePacked(IPermitGuard.PermitGuard_ModulesChanged.selector);
        address more = _guarded();
        vm.prank(more);
        ISafe(payable(more)).enableModule(stranger);
        _refuse(more, _list(payee), why);
        address none = _guarded();
        vm.prank(none);
        ISafe(payable(none)).disableModule(address(1), address(exitModule));
        _refuse(none, _list(payee), why);
        vm.prank(none);
        ISafe(payable(none)).enableModule(stranger);
        _refuse(none, _list(payee), why);
    }

    function test_AnAssetHasCode() public {
        address bare = _guarded();
        IPermitGuard.AssetLimit[] memory limits = _limits();
        limits[1].token = stranger;
        _refuseLimits(
            bare,
            limits,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ContractHasNoCode.selector, stranger
            )
        );
    }

    function test_AnAssetIsNotPartOfTheVault() public {
        address bare = _guarded();
        address[4] memory wrong = [bare, address(guard), address(exitModule), multiSend];
        IPermitGuard.AssetLimit[] memory limits = _limits();
        for (uint256 i = 0; i < wrong.length; ++i) {
            limits[1].token = wrong[i];
            _refuseLimits(
                bare,
                limits,
                abi.encodeWithSelector(
                    IPermitGuard.PermitGuard_AssetNotAllowable.selector, wrong[i]
                )
            );
        }
    }

    function test_AnAssetIsNotListedTwice() public {
        address bare = _guarded();
        IPermitGuard.AssetLimit[] memory limits = _limits();
        limits[1].token = NATIVE;
        _refuseLimits(
            bare,
            limits,
            abi.encodeWithSelector(IPermitGuard.PermitGuard_AssetListedTwice.selector, NATIVE)
        );
    }

    function test_ADestinationIsNotZeroNorPartOfTheVaultNorToken() public {
        address bare = _guarded();
        address[6] memory wrong = [
            address(0),
            bare,
            address(guard),
            address(exitModule),
            multiSend,
            address(dollar)
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            _refuse(
                bare,
                _list(wrong[i]),
                abi.encodeWithSelector(
                    IPermitGuard.PermitGuard_DestinationNotAllowable.selector, wrong[i]
                )
            );
        }
    }

    /// Also where the native coin, whose name is zero, is no listed asset.
    function test_ZeroIsNoDestinationOfAVaultWithoutCoins() public {
        address bare = _guarded();
        vm.prank(bare);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_DestinationNotAllowable.selector, address(0)
            )
        );
        guard.configure(
            permitSigner,
            new IPermitGuard.AssetLimit[](0),
            _list(address(0)),
            new address[](0)
        );
    }

    function test_ADestinationIsNotNamedTwice() public {
        address[] memory twice = new address[](2);
        (twice[0], twice[1]) = (payee, payee);
        _refuse(
            _guarded(),
            twice,
            abi.encodeWithSelector(IPermitGuard.PermitGuard_DestinationKnown.selector, payee)
        );
    }

    function test_FreezersAscend() public {
        address bare = _guarded();
        address[] memory freezers = new address[](2);
        (freezers[0], freezers[1]) = (address(2), address(2));
        _refuseFreezers(bare, freezers, _notAscending(address(2)));
        freezers[1] = address(1);
        _refuseFreezers(bare, freezers, _notAscending(address(1)));
        freezers[0] = address(0);
        _refuseFreezers(bare, freezers, _notAscending(address(0)));
        _refuseFreezers(
            bare,
            new address[](17),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_TooManyFreezers.selector, 17, 16)
        );
    }

    function test_AVaultHasSixteenFreezersOrNone() public {
        address[] memory freezers = new address[](16);
        for (uint256 i = 0; i < 16; ++i) {
            freezers[i] = address(uint160(i + 1));
        }
        address bare = _guarded();
        vm.prank(bare);
        guard.configure(permitSigner, _limits(), _list(payee), freezers);
        assertEq(guard.freezersOf(bare), freezers);
        bare = _guarded();
        vm.prank(bare);
        guard.configure(permitSigner, _limits(), _list(payee), new address[](0));
        assertEq(guard.freezersOf(bare).length, 0);
    }

    function test_AConfiguredVaultIsRecorded() public {
        vm.recordLogs();
        address made = address(_createVault(8));
        IPermitGuard.Vault memory recorded = guard.vaultOf(made);
        assertEq(recorded.permitSigner, permitSigner);
        assertEq(recorded.policyVersion, 0);
        assertEq(recorded.singleton, safeL2);
        assertEq(recorded.peopleHash, keccak256(abi.encode(people, uint256(2))));
        assertEq(guard.freezersOf(made), _list(freezer));
        _assertLimit(made, NATIVE, true, ETH_LIMIT);
        _assertLimit(made, address(dollar), true, TUSD_LIMIT);
        _assertLimit(made, stranger, false, 0);
        assertTrue(guard.isTokenAllowed(made, address(dollar)));
        assertFalse(guard.isTokenAllowed(made, stranger));
        assertEq(guard.usableFrom(made, payee), block.timestamp);
        assertEq(guard.usableFrom(made, stranger), 0);
        assertEq(guard.vaultOf(stranger).permitSigner, address(0));
        bytes32[6] memory topics = [
            IPermitGuard.VaultConfigured.selector,
            IPermitGuard.PermitSignerSet.selector,
            IPermitGuard.LimitSet.selector,
            IPermitGuard.LimitSet.selector,
            IPermitGuard.DestinationAnnounced.selector,
            IPermitGuard.FreezersSet.selector
        ];
        _expectGuardLogs(made, topics);
    }

    function testFuzz_AStrangerConfiguresOnlyHimself(address caller, address signer) public {
        vm.assume(caller != address(vault) && caller.code.length == 0);
        bytes32 before = keccak256(abi.encode(guard.vaultOf(address(vault))));
        vm.prank(caller);
        (bool configured,) = address(guard).call(
            abi.encodeCall(
                guard.configure, (signer, _limits(), _list(payee), new address[](0))
            )
        );
        assertFalse(configured, "an account that is no Safe was configured");
        assertEq(keccak256(abi.encode(guard.vaultOf(address(vault)))), before);
    }

    function test_InstallCalledDirectlyReverts() public {
        bytes memory install = _install(_limits(), _list(payee));
        (bool done,) = setup.call(install);
        assertFalse(done);
    }

    function _expectGuardLogs(address made, bytes32[6] memory topics) private {
        uint256 found;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length && found < topics.length; ++i) {
            if (logs[i].emitter != address(guard) || logs[i].topics[0] != topics[found]) continue;
            assertEq(logs[i].topics[1], bytes32(uint256(uint160(made))));
            ++found;
        }
        assertEq(found, topics.length, "an event is missing, or the order is another");
    }

    function _assertLimit(address safe, address token, bool listed, uint128 dayUnits)
        private
        view
    {
        (bool isListed, uint128 units, uint256 spentUnits) = guard.limitOf(safe, token);
        assertEq(isListed, listed);
        assertEq(units, dayUnits);
        assertEq(spentUnits, 0);
    }

    function _notAscending(address one) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IPermitGuard.PermitGuard_FreezersNotAscending.selector, one
        );
    }

    /// What `configure` says when this vault asks; a Safe under setup would pass no reason on.
    function _refuse(address bare, address[] memory destinations, bytes memory why) private {
        vm.prank(bare);
        vm.expectRevert(why);
        guard.configure(permitSigner, _limits(), destinations, _list(freezer));
    }

    function _refuseLimits(
        address bare,
        IPermitGuard.AssetLimit[] memory limits,
        bytes memory why
    ) private {
        vm.prank(bare);
        vm.expectRevert(why);
        guard.configure(permitSigner, limits, _list(payee), _list(freezer));
    }

    function _refuseFreezers(address bare, address[] memory freezers, bytes memory why) private {
        vm.prank(bare);
        vm.expectRevert(why);
        guard.configure(permitSigner, _limits(), _list(payee), freezers);
    }

    /// A new vault that has exit and both guards and is not configured yet.
    function _guarded() private returns (address bare) {
        bare = _bare();
        vm.startPrank(bare);
        ISafe(payable(bare)).enableModule(address(exitModule));
        ISafe(payable(bare)).setGuard(address(guard));
        ISafe(payable(bare)).setModuleGuard(address(guard));
        vm.stopPrank();
    }

    function _bare() private returns (address bare) {
        bytes memory initializer = abi.encodeCall(
            ISafe.setup,
            (people, 2, address(0), "", address(0), address(0), 0, payable(address(0)))
        );
        return factory.createProxyWithNonce(safeL2, initializer, ++_salt);
    }
}
