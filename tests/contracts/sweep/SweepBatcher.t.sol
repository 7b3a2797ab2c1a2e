// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ISweepBatcher} from "contracts/interfaces/ISweepBatcher.sol";
import {ISweepDelegate} from "contracts/interfaces/ISweepDelegate.sol";
import {SweepFixture} from "tests/contracts/fixtures/SweepFixture.sol";
import {FalseReturnToken} from "tests/contracts/tokens/FalseReturnToken.sol";
import {FeeToken} from "tests/contracts/tokens/FeeToken.sol";

/// Says that it moves money, and moves none; or burns what gas it gets.
contract IdleToken {
    mapping(address holder => uint256) public balanceOf;
    bool private immutable BURNS;

    constructor(bool burns) {
        BURNS = burns;
    }

    function transfer(address, uint256) external view returns (bool) {
        while (BURNS) {}
        return true;
    }
}

/// Takes more from the holder than it was asked for, or brings nothing to the receiver.
contract CrookedToken {
    mapping(address holder => uint256) public balanceOf;
    uint256 private immutable EXTRA;
    bool private immutable ARRIVES;

    constructor(uint256 extra, bool arrives) {
        EXTRA = extra;
        ARRIVES = arrives;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount + EXTRA;
        if (ARRIVES) balanceOf[to] += amount;
        return true;
    }
}

/// Claims to be a delegate of a vault that it does not serve.
contract LyingDelegate {
    address public immutable vault;

    constructor(address vault_) {
        vault = vault_;
    }

    receive() external payable {}

    function sweep(address, uint256 amount) external {
        payable(vault).transfer(amount);
    }
}

contract SweepBatcherTest is SweepFixture {
    function testFuzz_OnlyTheRelaySweeps(address caller) public {
        vm.assume(caller != relay);
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(ISweepBatcher.SweepBatcher_CallerIsNotRelay.selector, caller)
        );
        batcher.sweep(new ISweepBatcher.Item[](0));
    }

    function testFuzz_OneItemIsForTheBatcherItself(address caller) public {
        vm.assume(caller != address(batcher));
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(ISweepBatcher.SweepBatcher_CallerIsNotBatcher.selector, caller)
        );
        batcher.sweepItem(_item(leaf, NATIVE, 1));
    }

    function testFuzz_AGoodItemMovesItsAmount(uint256 held, uint256 amount) public {
        held = bound(held, 1, type(uint128).max);
        amount = bound(amount, 1, held);
        vm.deal(leaf, held);
        dollar.mint(leaf, held);
        _expectSwept(NATIVE, amount, amount);
        _sweep(_item(leaf, NATIVE, amount));
        _expectSwept(address(dollar), amount, amount);
        _sweep(_item(leaf, address(dollar), amount));
        assertEq(leaf.balance, held - amount);
        assertEq(dollar.balanceOf(address(vault)), TUSD_START + amount);
    }

    function test_AFailingItemLeavesTheOthersAlone() public {
        FalseReturnToken token = new FalseReturnToken();
        vm.deal(leaf, 5);
        dollar.mint(leaf, 8);
        ISweepBatcher.Item[] memory items = new ISweepBatcher.Item[](4);
        items[0] = _item(leaf, address(token), 3);
        items[1] = _item(leaf, NATIVE, 5);
        items[2] = _item(stranger, NATIVE, 1);
        items[3] = _item(leaf, address(dollar), 8);
        bytes memory returned =
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, token);
        vm.expectEmit(address(batcher));
        emit ISweepBatcher.SweepFailed(leaf, address(token), 3, returned);
        _expectSwept(NATIVE, 5, 5);
        vm.expectEmit(address(batcher));
        emit ISweepBatcher.SweepFailed(stranger, NATIVE, 1, _notDelegated(stranger));
        _expectSwept(address(dollar), 8, 8);
        vm.prank(relay);
        batcher.sweep(items);
    }

    function test_AnItemThatBurnsItsGasLeavesTheOthersAlone() public {
        vm.deal(leaf, 5);
        address burner = address(new IdleToken(true));
        ISweepBatcher.Item[] memory items = new ISweepBatcher.Item[](2);
        items[0] = _item(leaf, burner, 3);
        items[1] = _item(leaf, NATIVE, 5);
        vm.prank(relay);
        batcher.sweep{gas: 640_000}(items);
        assertEq(leaf.balance, 0);
    }

    function test_AnAccountWithoutDelegationIsNotSwept() public {
        _expectFailed(address(dollar), NATIVE, _notDelegated(address(dollar)));
        _sweep(_item(address(dollar), NATIVE, 1));
        _expectFailed(stranger, NATIVE, _notDelegated(stranger));
        _sweep(_item(stranger, NATIVE, 1));
        vm.etch(stranger, abi.encodePacked(hex"000000", delegate));
        _expectFailed(stranger, NATIVE, _notDelegated(stranger));
        _sweep(_item(stranger, NATIVE, 1));
    }

    function test_ADelegateThatIsNotOursIsNotSwept() public {
        address otherVault = makeAddr("another vault");
        address[4] memory wrong = [
            address(new LyingDelegate(address(vault))),
            _deployDelegate(address(vault), stranger),
            makeAddr("no code"),
            address(dollar)
        ];
        vm.deal(leaf, 5);
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.etch(leaf, abi.encodePacked(hex"ef0100", wrong[i]));
            if (i < 3) _expectFailed(leaf, NATIVE, _notOurs(wrong[i]));
            _sweep(_item(leaf, NATIVE, 1));
            assertEq(leaf.balance, 5, "swept by a delegate that is not ours");
        }
        address theirs = _deployDelegate(otherVault, address(batcher));
        vm.etch(leaf, abi.encodePacked(hex"ef0100", theirs));
        _sweep(_item(leaf, NATIVE, 5));
        assertEq(otherVault.balance, 5, "another vault's leaf goes to that vault");
    }

    function test_TheFeeOfATokenIsReported() public {
        FeeToken token = new FeeToken();
        token.mint(leaf, 1_000);
        _expectSwept(address(token), 1_000, 990);
        _sweep(_item(leaf, address(token), 1_000));
    }

    function test_WhatDidNotMoveIsNoSweep() public {
        address idle = address(new IdleToken(false));
        _expectFailed(
            leaf,
            idle,
            abi.encodeWithSelector(ISweepBatcher.SweepBatcher_AmountNotMoved.selector, 0, 0, 1)
        );
        _sweep(_item(leaf, idle, 1));
    }

    function test_MoreThanTheAmountIsNoSweep() public {
        _crooked(new CrookedToken(1, true), 2, 1);
    }

    function test_WhatDoesNotArriveIsNoSweep() public {
        _crooked(new CrookedToken(0, false), 1, 0);
    }

    function _crooked(CrookedToken token, uint256 left, uint256 received) private {
        token.mint(leaf, 10);
        _expectFailed(
            leaf,
            address(token),
            abi.encodeWithSelector(
                ISweepBatcher.SweepBatcher_AmountNotMoved.selector, left, received, 1
            )
        );
        _sweep(_item(leaf, address(token), 1));
        assertEq(token.balanceOf(leaf), 10, "it was taken back");
    }

    function testFuzz_TheDelegatesAddressIsCreate2(address anyVault) public view {
        bytes memory creation = abi.encodePacked(
            vm.getCode("SweepDelegate.sol:SweepDelegate"), abi.encode(anyVault, address(batcher))
        );
        assertEq(
            batcher.delegateOf(anyVault),
            vm.computeCreate2Address(bytes32(0), keccak256(creation), DEPLOYER)
        );
        assertEq(batcher.delegateOf(address(vault)), delegate);
    }

    function test_ARelayIsNamed() public {
        assertEq(batcher.relay(), relay);
        bytes memory creation = vm.getCode("SweepBatcher.sol:SweepBatcher");
        (bool made,) = DEPLOYER.call(abi.encodePacked(bytes32(0), creation, abi.encode(address(0))));
        assertFalse(made);
    }

    function _expectSwept(address token, uint256 amount, uint256 received) private {
        vm.expectEmit(address(batcher));
        emit ISweepBatcher.Swept(leaf, token, address(vault), amount, received);
    }

    function _expectFailed(address account, address token, bytes memory why) private {
        vm.expectEmit(address(batcher));
        emit ISweepBatcher.SweepFailed(account, token, 1, why);
    }

    function _notOurs(address wrong) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            ISweepBatcher.SweepBatcher_DelegateNotOurs.selector, leaf, wrong
        );
    }

    function _notDelegated(address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISweepBatcher.SweepBatcher_NotDelegated.selector, account);
    }
}
