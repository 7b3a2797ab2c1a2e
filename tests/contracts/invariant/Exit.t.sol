// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";
import {ExitHandler, ExitWorld} from "tests/contracts/invariant/ExitHandler.sol";

/// The numbers are those of README.md beside this file.
contract ExitInvariants is VaultFixture {
    ExitHandler private _handler;

    function setUp() public override {
        super.setUp();
        (, uint256 strangerKey) = makeAddrAndKey("stranger");
        _handler = new ExitHandler(
            ExitWorld({
                vault: vault,
                guard: guard,
                exit: exitModule,
                freezer: freezer,
                permitKey: permitKey,
                strangerKey: strangerKey,
                peopleKeys: peopleKeys
            })
        );
        targetContract(address(_handler));
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = ExitHandler.announce.selector;
        selectors[1] = ExitHandler.cancel.selector;
        selectors[2] = ExitHandler.leave.selector;
        selectors[3] = ExitHandler.freeze.selector;
        selectors[4] = ExitHandler.unfreeze.selector;
        selectors[5] = ExitHandler.changeThreshold.selector;
        selectors[6] = ExitHandler.takeTheGuardOff.selector;
        selectors[7] = ExitHandler.wait_.selector;
        targetSelector(FuzzSelector({addr: address(_handler), selectors: selectors}));
    }

    /// E1
    function invariant_TheExitIsAlwaysPossible() public {
        uint256 time = _handler.leaveFromHere();
        assertTrue(_handler.guardsAre(address(0)), "left, and a guard stands");
        assertLe(time, 10 days, "the exit took longer than its delay and one freeze");
    }

    /// E2
    function invariant_NoGuardIsOffBeforeTheExit() public view {
        assertTrue(_handler.guardsAre(address(guard)), "a guard is off");
    }

    /// E2, E3: each call of the handler ended as its own books say that it must.
    function invariant_NothingHappensThatShouldNot() public view {
        assertEq(_handler.wrongs(), 0, _handler.firstWrong());
    }

    /// E3
    function invariant_TheBooksAgree() public view {
        (uint256 id, uint256 usableFrom) = exitModule.announcementOf(address(vault));
        assertEq(id, _handler.lastId());
        assertEq(usableFrom, _handler.usableFrom());
        assertEq(guard.exitFrozenUntil(address(vault)), _handler.heldUntil());
    }

    /// A run in which nothing ever succeeded would show nothing.
    function test_TheHandlerReachesExits() public {
        _handler.announce(2, 2, 2);
        _handler.announce(2, 2, 2);
        _handler.freeze(true);
        _handler.wait_(4 days);
        _handler.wait_(3 days);
        _handler.leave(stranger);
        _handler.cancel(1, 2, 0);
        _handler.cancel(2, 2, 0);
        _handler.leave(stranger);
        _handler.changeThreshold(3);
        _handler.wait_(2 days);
        _handler.changeThreshold(3);
        _handler.takeTheGuardOff(0);
        _handler.announce(3, 2, 2);
        assertEq(vault.getThreshold(), 3);
        assertEq(_handler.announcements(), 2);
        assertEq(_handler.cancellations(), 1);
        assertEq(_handler.exits(), 1);
        invariant_NothingHappensThatShouldNot();
        invariant_TheBooksAgree();
        invariant_NoGuardIsOffBeforeTheExit();
        invariant_TheExitIsAlwaysPossible();
    }
}
