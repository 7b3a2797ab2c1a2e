// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeConfiguration} from "contracts/libraries/SafeConfiguration.sol";
import {SweepFixture} from "tests/contracts/fixtures/SweepFixture.sol";
import {TestDollar} from "tests/contracts/tokens/TestDollar.sol";
import {World} from "tests/contracts/invariant/VaultBooks.sol";
import {VaultHandler} from "tests/contracts/invariant/VaultHandler.sol";

/// The numbers are those of README.md beside this file.
contract VaultInvariants is SweepFixture {
    VaultHandler private _handler;

    function setUp() public override {
        super.setUp();
        (, uint256 strangerKey) = makeAddrAndKey("stranger");
        (, uint256 otherPermitKey) = makeAddrAndKey("another permit signer");
        World memory world = World({
            vault: vault,
            guard: guard,
            dollar: dollar,
            batcher: batcher,
            multiSend: multiSend,
            leaf: leaf,
            relay: relay,
            freezer: freezer,
            permitKey: permitKey,
            otherPermitKey: otherPermitKey,
            strangerKey: strangerKey,
            peopleKeys: peopleKeys
        });
        _handler = new VaultHandler(world, payee, ETH_LIMIT, TUSD_LIMIT);
        // The handler mints deposits: the token's owner is then the handler.
        vm.etch(address(dollar), address(new TestDollar(address(_handler))).code);
        targetContract(address(_handler));
    }

    /// I1, I3, I4, I7, I8, I9: each call of the handler ended as its own books say that it must.
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
        uint256 gotWei = ETH_START + _handler.addedWei() + _handler.sweptWei();
        uint256 gotUnits = TUSD_START + _handler.addedUnits() + _handler.sweptUnits();
        assertEq(address(vault).balance, gotWei - paidWei);
        assertEq(dollar.balanceOf(address(vault)), gotUnits - paidUnits);
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
        assertEq(vault.getThreshold(), _handler.threshold());
        assertEq(vault.getOwners(), people);
    }

    /// I7: what the guard counts is at least the last day's payments, by the handler's own list.
    function invariant_TheGuardKnowsWhatWasSpent() public view {
        address[2] memory assets = [NATIVE, address(dollar)];
        for (uint256 i = 0; i < 2; ++i) {
            (bool listed, uint128 dayUnits, uint256 spentUnits) =
                guard.limitOf(address(vault), assets[i]);
            assertTrue(listed);
            assertEq(dayUnits, _handler.limitOf(assets[i]));
            assertEq(spentUnits, _handler.counted(assets[i]));
        }
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
    function test_TheHandlerReachesPaymentsChangesAndSweeps() public {
        _handler.pay(0, 5, false, 1);
        _handler.pay(0, 5, true, 2);
        _handler.payBatch(10);
        _handler.announce(1);
        _handler.pay(1, 5, false, 2);
        _handler.announceChange(1);
        _handler.announceChange(3);
        _handler.announceChange(5);
        _handler.announceChange(8);
        _handler.wait_(1 days);
        _handler.wait_(2 days);
        vm.warp(vm.getBlockTimestamp() + 2 days);
        _handler.pay(1, 5, false, 2);
        _handler.revoke(1);
        _handler.pay(1, 5, false, 2);
        _handler.executeChange(1, false);
        _handler.executeChange(3, false);
        _handler.executeChange(5, false);
        _handler.executeChange(8, false);
        assertEq(_handler.changes(), 3);
        assertEq(_handler.threshold(), 1);
        _handler.payWithoutPeople(1, true);
        _handler.payWithoutPermit(1, 2);
        _handler.freeze(false);
        _handler.pay(0, 5, false, 2);
        _handler.unfreeze(1);
        _handler.pay(0, 5, false, 2);
        _handler.lowerLimit(false, 45 ether);
        _handler.deposit(10, true);
        _handler.sweep(7, true);
        assertGe(_handler.payments(), 5);
        assertEq(_handler.sweeps(), 1);
        invariant_NothingHappensThatShouldNot();
        invariant_TheVaultLosesOnlyWhatUsableDestinationsGot();
        invariant_TheGuardKnowsWhatWasSpent();
        invariant_TheConfigurationStands();
    }
}
