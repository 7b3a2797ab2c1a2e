// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "forge-std/Vm.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ISweepDelegate} from "contracts/interfaces/ISweepDelegate.sol";
import {SweepFixture} from "tests/contracts/fixtures/SweepFixture.sol";
import {FalseReturnToken} from "tests/contracts/tokens/FalseReturnToken.sol";
import {NoReturnToken} from "tests/contracts/tokens/NoReturnToken.sol";

contract SweepDelegateTest is SweepFixture {
    function testFuzz_AStrangersSweepIsRefused(address caller) public {
        vm.assume(caller != address(batcher) && caller != address(vault));
        _refuseCaller(caller);
    }

    function test_NeitherRelayNorTheLeafItselfSweeps() public {
        _refuseCaller(relay);
        _refuseCaller(leaf);
        _refuseCaller(permitSigner);
    }

    function testFuzz_TheNativeCoinGoesToTheVaultExactly(uint256 held, uint256 amount) public {
        held = bound(held, 1, type(uint128).max);
        amount = bound(amount, 1, held);
        vm.deal(leaf, held);
        _sweepAs(address(batcher), leaf, NATIVE, amount);
        assertEq(address(vault).balance, ETH_START + amount);
        assertEq(leaf.balance, held - amount, "what is quarantined stays behind");
    }

    function testFuzz_ATokenGoesToTheVaultExactly(uint256 held, uint256 amount) public {
        held = bound(held, 1, type(uint128).max);
        amount = bound(amount, 1, held);
        dollar.mint(leaf, held);
        _sweepAs(address(vault), leaf, address(dollar), amount);
        assertEq(dollar.balanceOf(address(vault)), TUSD_START + amount);
        assertEq(dollar.balanceOf(leaf), held - amount);
    }

    function test_ATokenWithoutReturnValueIsSwept() public {
        NoReturnToken token = new NoReturnToken();
        token.mint(leaf, 9);
        _sweepAs(address(batcher), leaf, address(token), 5);
        assertEq(token.balanceOf(address(vault)), 5);
        assertEq(token.balanceOf(leaf), 4);
    }

    function test_ATokenThatReturnsFalseIsNotSwept() public {
        FalseReturnToken token = new FalseReturnToken();
        token.mint(leaf, 9);
        _refuse(leaf, address(token), 5, _failed(address(token)));
    }

    function test_ATokenWithoutCodeIsNotSwept() public {
        _refuse(leaf, stranger, 5, _failed(stranger));
    }

    function test_NothingAndTooMuchAreRefused() public {
        vm.deal(leaf, 10);
        dollar.mint(leaf, 10);
        bytes memory nothing =
            abi.encodePacked(ISweepDelegate.SweepDelegate_NothingToSweep.selector);
        _refuse(leaf, NATIVE, 0, nothing);
        _refuse(leaf, address(dollar), 0, nothing);
        _refuse(
            leaf,
            NATIVE,
            11,
            abi.encodeWithSelector(ISweepDelegate.SweepDelegate_VaultRefused.selector, 11)
        );
        vm.prank(address(batcher));
        vm.expectRevert();
        ISweepDelegate(leaf).sweep(address(dollar), 11);
    }

    function test_CalledDirectlyItPaysTheVaultOnly() public {
        vm.deal(delegate, 7);
        _refuseCaller(stranger);
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(ISweepDelegate.SweepDelegate_CallerNotAllowed.selector, stranger)
        );
        ISweepDelegate(delegate).sweep(NATIVE, 7);
        _sweepAs(address(batcher), delegate, NATIVE, 7);
        assertEq(address(vault).balance, ETH_START + 7);
    }

    function test_APayerWithLittleGasIsNotBounced() public {
        vm.deal(address(this), 1 ether);
        payable(leaf).transfer(1 ether);
        assertEq(leaf.balance, 1 ether);
    }

    /// Without the caller rule a stranger mixes a listed address' coins into the vault's money.
    function test_AStrangerCannotMixQuarantinedMoneyIntoTheVault() public {
        vm.deal(leaf, 8);
        dollar.mint(leaf, 8);
        _refuseCaller(stranger);
        _sweepAs(address(batcher), leaf, NATIVE, 5);
        _sweepAs(address(batcher), leaf, address(dollar), 5);
        _refuseCaller(stranger);
        assertEq(address(vault).balance, ETH_START + 5, "only what was cleared");
        assertEq(dollar.balanceOf(address(vault)), TUSD_START + 5, "only what was cleared");
    }

    /// Whoever submits a leaf's authorisation first, there is nothing that he could initialise.
    function test_WhoeverSubmitsTheAuthorisationGainsNothing() public {
        (address other, uint256 otherKey) = makeAddrAndKey("another leaf");
        vm.deal(other, 5);
        Vm.SignedDelegation memory signed = vm.signDelegation(delegate, otherKey);
        vm.startPrank(stranger);
        vm.attachDelegation(signed);
        bytes[3] memory grabs = [
            abi.encodeWithSignature("initialize(address)", stranger),
            abi.encodeWithSignature("setVault(address)", stranger),
            abi.encodeCall(ISweepDelegate.sweep, (NATIVE, 5))
        ];
        for (uint256 i = 0; i < grabs.length; ++i) {
            (bool done,) = other.call(grabs[i]);
            assertFalse(done);
        }
        vm.stopPrank();
        _sweepAs(address(batcher), other, NATIVE, 5);
        assertEq(address(vault).balance, ETH_START + 5);
    }

    /// Signed for this chain, an authorisation is none elsewhere; for chain 0 it would be.
    function test_AnAuthorisationOfThisChainIsNoneOnAnother() public {
        (address other, uint256 otherKey) = makeAddrAndKey("another leaf");
        Vm.SignedDelegation memory signed = vm.signDelegation(delegate, otherKey);
        vm.chainId(99);
        try this.attach(signed) {} catch {}
        assertEq(other.code.length, 0, "delegated on another chain");
    }

    function attach(Vm.SignedDelegation calldata signed) external {
        vm.attachDelegation(signed);
    }

    function test_WhatAnotherDelegateWroteChangesNothing() public {
        vm.deal(leaf, 5);
        for (uint256 slot = 0; slot < 8; ++slot) {
            vm.store(leaf, bytes32(slot), bytes32(uint256(uint160(stranger))));
        }
        _refuseCaller(stranger);
        _sweepAs(address(batcher), leaf, NATIVE, 5);
        assertEq(address(vault).balance, ETH_START + 5);
    }

    function test_ItHasNoEip1271() public {
        (bool known,) = leaf.call(
            abi.encodeWithSignature("isValidSignature(bytes32,bytes)", bytes32(0), "")
        );
        assertFalse(known);
    }

    function test_ItIsBoundToAVaultAndABatcher() public {
        bytes memory creation = vm.getCode("SweepDelegate.sol:SweepDelegate");
        bytes[2] memory wrong =
            [abi.encode(address(0), address(batcher)), abi.encode(address(vault), address(0))];
        for (uint256 i = 0; i < wrong.length; ++i) {
            (bool made,) = DEPLOYER.call(abi.encodePacked(bytes32(0), creation, wrong[i]));
            assertFalse(made);
        }
        assertEq(ISweepDelegate(leaf).vault(), address(vault));
        assertEq(ISweepDelegate(leaf).batcher(), address(batcher));
    }

    function _sweepAs(address caller, address account, address token, uint256 amount) private {
        vm.prank(caller);
        ISweepDelegate(account).sweep(token, amount);
    }

    function _refuseCaller(address caller) private {
        vm.deal(leaf, 10);
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(ISweepDelegate.SweepDelegate_CallerNotAllowed.selector, caller)
        );
        ISweepDelegate(leaf).sweep(NATIVE, 1);
    }

    function _refuse(address account, address token, uint256 amount, bytes memory why) private {
        vm.prank(address(batcher));
        vm.expectRevert(why);
        ISweepDelegate(account).sweep(token, amount);
    }

    function _failed(address token) private pure returns (bytes memory) {
        return abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, token);
    }
}
