// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "forge-std/Vm.sol";
import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {IVaultSetup, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

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

    function test_AVaultThatHasExecutedIsTooOld() public {
        address old = _guarded();
        vm.store(old, bytes32(uint256(5)), bytes32(uint256(1)));
        assertEq(ISafe(payable(old)).nonce(), 1);
        _refuse(
            old,
            _list(payee),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotInSetup.selector, old)
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
        bytes memory install = _install(_list(address(dollar)), _list(payee));
        bytes memory initializer = _initializer(install, address(dollar));
        vm.expectRevert(bytes("GS000"));
        factory.createProxyWithNonce(safeL2, initializer, ++_salt);
    }

    function test_AVaultBornWithAModuleIsRefused() public {
        address bare = _guarded();
        vm.prank(bare);
        ISafe(payable(bare)).enableModule(stranger);
        _refuse(
            bare,
            _list(payee),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_ModuleEnabled.selector, stranger)
        );
    }

    function test_ATokenHasCode() public {
        address empty = makeAddr("no code");
        address bare = _guarded();
        vm.prank(bare);
        vm.expectRevert(
            abi.encodeWithSelector(IPermitGuard.PermitGuard_TokenHasNoCode.selector, empty)
        );
        guard.configure(permitSigner, _list(empty), _list(payee));
    }

    function test_ADestinationIsNotZeroNorVaultNorGuardNorToken() public {
        address bare = _guarded();
        address[4] memory wrong = [address(0), bare, address(guard), address(dollar)];
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

    function test_ADestinationIsNotNamedTwice() public {
        address[] memory twice = new address[](2);
        (twice[0], twice[1]) = (payee, payee);
        _refuse(
            _guarded(),
            twice,
            abi.encodeWithSelector(IPermitGuard.PermitGuard_DestinationKnown.selector, payee)
        );
    }

    function test_AConfiguredVaultIsRecorded() public {
        bytes memory initializer =
            _initializer(_install(_list(address(dollar)), _list(payee)), address(0));
        vm.recordLogs();
        address made = factory.createProxyWithNonce(safeL2, initializer, 8);
        IPermitGuard.Vault memory recorded = guard.vaultOf(made);
        assertEq(recorded.permitSigner, permitSigner);
        assertEq(recorded.policyVersion, 0);
        assertEq(recorded.singleton, safeL2);
        assertEq(recorded.peopleHash, keccak256(abi.encode(people, uint256(2))));
        assertTrue(guard.isTokenAllowed(made, address(dollar)));
        assertEq(guard.usableFrom(made, payee), block.timestamp);
        assertEq(guard.usableFrom(made, stranger), 0);
        assertEq(guard.vaultOf(stranger).permitSigner, address(0));
        bytes32[3] memory topics = [
            IPermitGuard.VaultConfigured.selector,
            IPermitGuard.TokenAllowed.selector,
            IPermitGuard.DestinationAnnounced.selector
        ];
        _expectGuardLogs(made, topics);
    }

    function testFuzz_AStrangerConfiguresOnlyHimself(address caller, address signer) public {
        vm.assume(caller != address(vault) && caller.code.length == 0);
        bytes32 before = keccak256(abi.encode(guard.vaultOf(address(vault))));
        vm.prank(caller);
        (bool configured,) = address(guard).call(
            abi.encodeCall(guard.configure, (signer, new address[](0), new address[](0)))
        );
        assertFalse(configured, "an account that is no Safe was configured");
        assertEq(keccak256(abi.encode(guard.vaultOf(address(vault)))), before);
    }

    function test_InstallCalledDirectlyReverts() public {
        vm.expectRevert();
        IVaultSetup(setup).install(
            address(guard), permitSigner, new address[](0), new address[](0)
        );
    }

    function _expectGuardLogs(address made, bytes32[3] memory topics) private {
        uint256 found;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length && found < topics.length; ++i) {
            if (logs[i].emitter != address(guard) || logs[i].topics[0] != topics[found]) continue;
            assertEq(logs[i].topics[1], bytes32(uint256(uint160(made))));
            ++found;
        }
        assertEq(found, topics.length, "an event is missing, or the order is another");
    }

    /// What `configure` says when this vault asks; a Safe under setup would pass no reason on.
    function _refuse(address bare, address[] memory destinations, bytes memory why) private {
        vm.prank(bare);
        vm.expectRevert(why);
        guard.configure(permitSigner, _list(address(dollar)), destinations);
    }

    /// A new vault that has both guards and is not configured yet.
    function _guarded() private returns (address bare) {
        bare = _bare();
        vm.startPrank(bare);
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
