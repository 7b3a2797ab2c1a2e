// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISweepBatcher} from "contracts/interfaces/ISweepBatcher.sol";
import {ISweepDelegate} from "contracts/interfaces/ISweepDelegate.sol";
import {SweepFixture} from "tests/contracts/fixtures/SweepFixture.sol";
import {LoudToken} from "tests/contracts/tokens/LoudToken.sol";
import {PausingToken} from "tests/contracts/tokens/PausingToken.sol";
import {ReentrantToken} from "tests/contracts/tokens/ReentrantToken.sol";

/// A listed token turns against us: it gains nothing, and the batch goes on.
contract SweepHostileTokensTest is SweepFixture {
    uint256 private constant CLEARED = 5;
    uint256 private constant QUARANTINED = 3;

    function setUp() public override {
        super.setUp();
        vm.deal(leaf, CLEARED + QUARANTINED);
    }

    /// In the middle of the sweep of its own, a token asks for the quarantined native coin.
    function test_ATokenThatCallsBackGainsNothing() public {
        ReentrantToken token = new ReentrantToken();
        token.mint(leaf, 9);
        ISweepBatcher.Item[] memory items = new ISweepBatcher.Item[](1);
        items[0] = _item(leaf, NATIVE, QUARANTINED);
        bytes memory direct = abi.encodeCall(ISweepDelegate.sweep, (NATIVE, QUARANTINED));
        token.attempt(leaf, direct);
        token.attempt(leaf, abi.encodeCall(ISweepDelegate.sweep, (address(token), 1)));
        token.attempt(address(batcher), abi.encodeCall(ISweepBatcher.sweep, (items)));
        token.attempt(address(batcher), abi.encodeCall(ISweepBatcher.sweepItem, (items[0])));
        vm.expectEmit(address(batcher));
        emit ISweepBatcher.Swept(leaf, address(token), address(vault), 6, 6);
        _sweep(_item(leaf, address(token), 6));
        assertEq(token.made(), 4);
        assertEq(token.reached(), 0, "a call went through");
        assertEq(leaf.balance, CLEARED + QUARANTINED, "quarantined money moved");
        assertEq(token.balanceOf(leaf), 3);
        assertEq(token.balanceOf(address(vault)), 6);
    }

    function test_APausedTokenFailsAloneAndIsSweptLater() public {
        PausingToken token = new PausingToken();
        token.mint(leaf, 9);
        bytes memory why = abi.encodePacked(PausingToken.PausingToken_Paused.selector);
        token.pause(true);
        _expectFailed(address(token), why);
        _sweepBeside(address(token));
        assertEq(leaf.balance, QUARANTINED);
        token.pause(false);
        token.freeze(address(vault), true);
        _expectFailed(address(token), why);
        _sweep(_item(leaf, address(token), 6));
        token.freeze(address(vault), false);
        _sweep(_item(leaf, address(token), 6));
        assertEq(token.balanceOf(address(vault)), 6);
        assertEq(token.balanceOf(leaf), 3);
    }

    /// The copy of such an answer alone costs more than the whole batch may.
    function test_ATokenThatAnswersTooMuchFailsAlone() public {
        LoudToken token = new LoudToken();
        token.mint(leaf, 9);
        _expectFailed(address(token), new bytes(256));
        _sweepBeside(address(token));
        assertEq(leaf.balance, QUARANTINED);
    }

    /// The token and, in the same batch, the cleared native coin.
    function _sweepBeside(address token) private {
        ISweepBatcher.Item[] memory items = new ISweepBatcher.Item[](2);
        items[0] = _item(leaf, token, 6);
        items[1] = _item(leaf, NATIVE, CLEARED);
        vm.prank(relay);
        batcher.sweep{gas: 640_000}(items);
    }

    function _expectFailed(address token, bytes memory why) private {
        vm.expectEmit(address(batcher));
        emit ISweepBatcher.SweepFailed(leaf, token, 6, why);
    }
}
