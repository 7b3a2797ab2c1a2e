// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";
import {TestDollar} from "tests/contracts/tokens/TestDollar.sol";

/// Rule 9: the current bucket of three hours and the eight before.
contract LimitsTest is VaultFixture {
    function test_ExactlyTheLimitPassesAndNotOneUnitMore() public {
        _pay(_transfer(payee, TUSD_LIMIT - 1));
        _refuse(_transfer(payee, 2), _exceeded(address(dollar), 2, TUSD_LIMIT - 1));
        _pay(_transfer(payee, 1));
        _refuse(_transfer(payee, 1), _exceeded(address(dollar), 1, TUSD_LIMIT));
        assertEq(_spent(address(dollar)), TUSD_LIMIT);
        // The other asset and the other vault have their own.
        _pay(_native(payee, ETH_LIMIT));
        _refuse(_native(payee, 1), _exceeded(NATIVE, 1, ETH_LIMIT));
        (,, uint256 elsewhere) = guard.limitOf(address(_createVault(2)), NATIVE);
        assertEq(elsewhere, 0);
    }

    function testFuzz_MoreThanTheLimitIsRefused(uint256 units) public {
        units = bound(units, uint256(TUSD_LIMIT) + 1, type(uint256).max);
        _refuse(_transfer(payee, units), _exceeded(address(dollar), units, 0));
        _pay(_transfer(payee, 1));
        _refuse(_transfer(payee, units), _exceeded(address(dollar), units, 1));
        uint256 wrapped = type(uint256).max - TUSD_LIMIT + units % TUSD_LIMIT;
        _refuse(_transfer(payee, wrapped), _exceeded(address(dollar), wrapped, 1));
    }

    /// The last second of the first bucket still counts in the ninth after it, not in the tenth.
    function test_ABucketCountsWithTheEightAfterIt() public {
        vm.warp(START + 3 hours - 1);
        _pay(_native(payee, 20 ether));
        vm.warp(START + 3 hours);
        _pay(_native(payee, 30 ether));
        vm.warp(START + 27 hours - 1);
        _refuse(_native(payee, 1), _exceeded(NATIVE, 1, ETH_LIMIT));
        vm.warp(START + 27 hours);
        assertEq(_spent(NATIVE), 30 ether);
        _refuse(_native(payee, 20 ether + 1), _exceeded(NATIVE, 20 ether + 1, 30 ether));
        _pay(_native(payee, 20 ether));
        vm.warp(START + 30 hours - 1);
        _refuse(_native(payee, 1), _exceeded(NATIVE, 1, ETH_LIMIT));
        vm.warp(START + 30 hours);
        assertEq(_spent(NATIVE), 20 ether);
        vm.warp(START + 1000 days);
        assertEq(_spent(NATIVE), 0);
        vm.deal(address(vault), ETH_LIMIT);
        _pay(_native(payee, ETH_LIMIT));
        assertEq(_spent(NATIVE), ETH_LIMIT);
    }

    /// Payments at random times and of random size against the list of all that passed.
    function testFuzz_NoWindowHoldsMoreThanTheLimit(uint256 seed) public {
        uint256[] memory times = new uint256[](40);
        uint256[] memory units = new uint256[](40);
        uint256 made;
        for (uint256 i = 0; i < 40; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            vm.warp(vm.getBlockTimestamp() + word % (word & (1 << 200) == 0 ? 1 hours : 14 hours));
            uint256 wanted = 1 + (word >> 64) % 20 ether;
            uint256 day = _sum(times, units, made, 1 days);
            uint256 counted = _spent(NATIVE);
            assertGe(counted, day, "less counts than the last day's");
            assertLe(counted, _sum(times, units, made, 27 hours), "more counts than 27 hours'");
            vm.deal(address(vault), wanted);
            if (counted + wanted > ETH_LIMIT) {
                _refuse(_native(payee, wanted), _exceeded(NATIVE, wanted, counted));
                continue;
            }
            _pay(_native(payee, wanted));
            (times[made], units[made]) = (vm.getBlockTimestamp(), wanted);
            ++made;
            assertLe(_sum(times, units, made, 1 days), ETH_LIMIT, "a window is above the limit");
        }
        assertGt(made, 2);
    }

    function test_ARejectionCountsForNothing() public {
        _pay(_native(address(vault), 0));
        assertEq(_spent(NATIVE), 0);
        // The payee refuses: the execution reverts, and what was counted with it.
        vm.etch(payee, hex"5f5ffd");
        SafeTx memory payment = _native(payee, 1 ether);
        bytes memory signatures = _signed(payment);
        vm.expectRevert();
        _execute(payment, signatures);
        assertEq(_spent(NATIVE), 0);
    }

    function test_AnUnlistedAssetIsNotPaid() public {
        TestDollar other = new TestDollar(address(this));
        other.mint(address(vault), 5);
        SafeTx memory payment = _call(address(other), abi.encodeCall(other.transfer, (payee, 5)));
        _refuse(
            payment,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ChangeNotAnnounced.selector, _changeHash(payment)
            )
        );
        IPermitGuard.AssetLimit[] memory limits = new IPermitGuard.AssetLimit[](0);
        bytes memory initializer = _initializer(_install(limits, _list(payee)), address(0));
        vault = ISafe(payable(factory.createProxyWithNonce(safeL2, initializer, 5)));
        vm.deal(address(vault), 1 ether);
        _refuse(_native(payee, 1), _notListed(NATIVE));
    }

    function test_ALowerLimitHoldsAtOnce() public {
        _pay(_native(payee, 10 ether));
        vm.expectEmit(address(guard));
        emit IPermitGuard.LimitSet(address(vault), NATIVE, 12 ether);
        _pay(_lower(NATIVE, 12 ether));
        _refuse(
            _native(payee, 2 ether + 1),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_LimitExceeded.selector,
                NATIVE,
                2 ether + 1,
                10 ether,
                12 ether
            )
        );
        _pay(_native(payee, 2 ether));
        _pay(_lower(NATIVE, 0));
        (bool listed, uint128 dayUnits, uint256 spentUnits) =
            guard.limitOf(address(vault), NATIVE);
        assertTrue(listed && dayUnits == 0 && spentUnits == 12 ether);
        vm.warp(START + 10 days);
        _refuse(
            _native(payee, 1),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_LimitExceeded.selector, NATIVE, 1, 0, 0
            )
        );
    }

    function testFuzz_ALimitIsNotRaisedAtOnce(uint128 dayUnits) public {
        dayUnits = uint128(bound(dayUnits, ETH_LIMIT, type(uint128).max));
        _refuse(
            _lower(NATIVE, dayUnits),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_LimitNotLower.selector, NATIVE, dayUnits, ETH_LIMIT
            )
        );
        _refuse(_lower(stranger, 0), _notListed(stranger));
    }

    function testFuzz_NobodySetsALimitFromOutside(address caller, uint128 dayUnits) public {
        vm.startPrank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotRunning.selector, bytes32(0))
        );
        guard.lowerLimit(NATIVE, dayUnits);
        vm.expectRevert(IPermitGuard.PermitGuard_OnlyInChange.selector);
        guard.setLimit(NATIVE, dayUnits);
    }

    function test_ARaisedLimitKeepsWhatWasSpent() public {
        SafeTx memory raise = _set(NATIVE, 60 ether);
        _announce(raise);
        _pay(_native(payee, ETH_LIMIT));
        _pay(raise);
        _refuse(
            _native(payee, 10 ether + 1),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_LimitExceeded.selector,
                NATIVE,
                10 ether + 1,
                ETH_LIMIT,
                60 ether
            )
        );
        _pay(_native(payee, 10 ether));
    }

    function test_ANewAssetIsListedByAnAnnouncedChange() public {
        TestDollar other = new TestDollar(address(this));
        other.mint(address(vault), 5);
        SafeTx memory set = _set(address(other), 4);
        _announce(set);
        vm.expectEmit(address(guard));
        emit IPermitGuard.LimitSet(address(vault), address(other), 4);
        _pay(set);
        _pay(_call(address(other), abi.encodeCall(other.transfer, (payee, 4))));
        assertEq(other.balanceOf(payee), 4);
        assertTrue(guard.isTokenAllowed(address(vault), address(other)));
    }

    function test_ANewAssetIsNoDestinationNorPartOfTheVault() public {
        address[5] memory wrong =
            [payee, address(vault), address(guard), address(exitModule), multiSend];
        for (uint256 i = 0; i < wrong.length; ++i) {
            SafeTx memory set = _set(wrong[i], 1);
            _announce(set);
            _refuse(
                set,
                abi.encodeWithSelector(
                    IPermitGuard.PermitGuard_AssetNotAllowable.selector, wrong[i]
                )
            );
        }
        SafeTx memory empty = _set(stranger, 1);
        _announce(empty);
        _refuse(
            empty,
            abi.encodeWithSelector(IPermitGuard.PermitGuard_ContractHasNoCode.selector, stranger)
        );
    }

    function _sum(
        uint256[] memory times,
        uint256[] memory units,
        uint256 made,
        uint256 window
    ) private view returns (uint256 total) {
        for (uint256 i = 0; i < made; ++i) {
            if (times[i] + window > vm.getBlockTimestamp()) total += units[i];
        }
    }

    function _spent(address token) private view returns (uint256 spentUnits) {
        (,, spentUnits) = guard.limitOf(address(vault), token);
    }

    function _lower(address token, uint128 dayUnits) private view returns (SafeTx memory) {
        return _call(address(guard), abi.encodeCall(IPermitGuard.lowerLimit, (token, dayUnits)));
    }

    function _set(address token, uint128 dayUnits) private view returns (SafeTx memory) {
        return _call(address(guard), abi.encodeCall(IPermitGuard.setLimit, (token, dayUnits)));
    }

    function _notListed(address token) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPermitGuard.PermitGuard_AssetNotListed.selector, token);
    }

    function _exceeded(address token, uint256 units, uint256 spentUnits)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(
            IPermitGuard.PermitGuard_LimitExceeded.selector,
            token,
            units,
            spentUnits,
            token == NATIVE ? ETH_LIMIT : TUSD_LIMIT
        );
    }
}
