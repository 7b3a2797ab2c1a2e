// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeConfiguration} from "contracts/libraries/SafeConfiguration.sol";
import {SweepFixture} from "tests/contracts/fixtures/SweepFixture.sol";
import {TestDollar} from "tests/contracts/tokens/TestDollar.sol";
import {VaultHandler, World} from "tests/contracts/invariant/VaultHandler.sol";

/// The numbers are those of README.md beside this file.
contract VaultInvariants is SweepFixture {
    VaultHandler private _handler;

    function setUp() public override {
        super.setUp();
        (, uint256 strangerKey) = makeAddrAndKey("stranger");
        World memory world = World({
            vault: vault,
            guard: guard,
            dollar: dollar,
            batcher: batcher,
            leaf: leaf,
            relay: relay,
            permitKey: permitKey,
            strangerKey: strangerKey,
            peopleKeys: peopleKeys
        });
        _handler = new VaultHandler(world, payee);
        // The handler mints deposits: the token's owner is then the handler.
        vm.etch(address(dollar), address(new TestDollar(address(_handler))).code);
        targetContract(address(_handler));
    }

    /// I1, I3, I4: each call of the handler ended as its own books say that it must.
    function invariant_NothingHappensThatShouldNot() public view {
        assertEq(_handler.wrongs(), 0, _handler.firstWrong());
    }

    /// I1
    function invariant_TheVaultLosesOnlyWhatUsableDestinationsGot() public view {
        uint256 paidWei;
        uint256 paidUnits;
        for (uint256 i = 0; i < 3; ++i) {
            address place = _handler.places(i);
            assertEq(place.balance, _handler.paidWei(place));
            assertEq(dollar.balanceOf(place), _handler.paidUnits(place));
            paidWei += place.balance;
            paidUnits += dollar.balanceOf(place);
        }
        assertEq(address(vault).balance, ETH_START + _handler.sweptWei() - paidWei);
        assertEq(
            dollar.balanceOf(address(vault)), TUSD_START + _handler.sweptUnits() - paidUnits
        );
    }

    /// I2
    function invariant_TheConfigurationStands() public view {
        address safe = address(vault);
        assertEq(SafeConfiguration.addressAt(safe, 0), safeL2);
        assertEq(
            SafeConfiguration.addressAt(safe, SafeConfiguration.GUARD_SLOT), address(guard)
        );
        assertEq(
            SafeConfiguration.addressAt(safe, SafeConfiguration.MODULE_GUARD_SLOT), address(guard)
        );
        assertEq(
            SafeConfiguration.addressAt(safe, SafeConfiguration.FALLBACK_HANDLER_SLOT), address(0)
        );
        assertTrue(SafeConfiguration.hasOnlyModule(safe, address(exitModule)));
        assertEq(SafeConfiguration.peopleHash(safe), guard.vaultOf(safe).peopleHash);
    }

    /// I4
    function invariant_ThePolicyVersionIsTheHighestSeen() public view {
        assertEq(guard.vaultOf(address(vault)).policyVersion, _handler.highestVersion());
    }

    /// I5
    function invariant_TheLeafPaysNobodyButItsVault() public view {
        assertEq(leaf.balance + _handler.sweptWei(), _handler.depositedWei());
        assertEq(
            dollar.balanceOf(leaf) + _handler.sweptUnits(), _handler.depositedUnits()
        );
    }

    /// I6
    function invariant_OurContractsHoldNothing() public view {
        address[3] memory ours = [address(guard), address(batcher), delegate];
        for (uint256 i = 0; i < ours.length; ++i) {
            assertEq(ours[i].balance + dollar.balanceOf(ours[i]), 0);
        }
    }

    /// A run in which nothing ever succeeded would show nothing.
    function test_TheHandlerReachesPaymentsAndSweeps() public {
        _handler.pay(0, 5, false, 1);
        _handler.pay(0, 5, true, 2);
        _handler.announce(1);
        _handler.pay(1, 5, false, 2);
        _handler.wait_(1 days);
        _handler.pay(1, 5, false, 2);
        _handler.revoke(1);
        _handler.pay(1, 5, false, 2);
        _handler.deposit(10, true);
        _handler.sweep(7, true);
        assertEq(_handler.payments(), 3);
        assertEq(_handler.sweeps(), 1);
        invariant_NothingHappensThatShouldNot();
        invariant_TheVaultLosesOnlyWhatUsableDestinationsGot();
    }
}
