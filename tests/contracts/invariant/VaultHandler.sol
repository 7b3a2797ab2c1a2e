// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {ISweepBatcher} from "contracts/interfaces/ISweepBatcher.sol";
import {ISweepDelegate} from "contracts/interfaces/ISweepDelegate.sol";
import {SafeTx} from "tests/contracts/fixtures/VaultFixture.sol";
import {VaultBooks, World} from "tests/contracts/invariant/VaultBooks.sol";

/// Plays people, custodian, freezer, relay and thieves at random; each call ends as the books say
/// that it must, or is counted as a wrong.
contract VaultHandler is VaultBooks {
    uint256 private constant CHANGES = 12;
    uint256 private constant HARMLESS = 7;

    uint256 public sweptWei;
    uint256 public sweptUnits;
    uint256 public depositedWei;
    uint256 public depositedUnits;
    uint256 public sweeps;
    uint256 public changes;
    uint256 private _lastAnnounced;

    constructor(World memory world, address payee, uint256 limitWei, uint256 limitUnits) {
        _world = world;
        usableFrom[payee] = vm.getBlockTimestamp();
        limitOf[address(0)] = limitWei;
        limitOf[address(world.dollar)] = limitUnits;
        places = [
            payee,
            makeAddr("supplier"),
            makeAddr("exchange"),
            address(world.vault),
            address(world.guard),
            address(world.dollar)
        ];
    }

    /// People and custodian agree, on a place at random and in a form at random.
    function pay(uint256 place, uint256 amount, bool token, uint64 version) public {
        address to = places[place % places.length];
        address asset = _asset(token);
        amount = _amount(asset, amount);
        version = uint64(bound(version, 0, 40));
        bool right = _isUsable(to) && !_isFrozen() && version >= highestVersion
            && counted(asset) + amount <= limitOf[asset];
        bool done = _execute(_payment(asset, to, amount), version);
        _judge(done == right, "a payment passed that should not, or did not that should");
        if (!done) return;
        if (version > highestVersion) highestVersion = version;
        _book(asset, to, amount);
    }

    /// A busy day or two: only many payments in a row fill a window.
    function payOften(uint256 seed, bool token) external {
        for (uint256 i = 0; i < 12; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            vm.warp(vm.getBlockTimestamp() + word % 4 hours);
            pay(0, word >> 64, token, highestVersion);
        }
    }

    /// One to five payments at once: all of them or none.
    function payBatch(uint256 seed) external {
        uint256 count = 1 + seed % 5;
        bool right = !_isFrozen();
        bytes memory items;
        uint256[2] memory sums = [counted(address(0)), counted(address(_world.dollar))];
        for (uint256 i = 0; i < count; ++i) {
            (address asset, address to, uint256 amount) = _itemOf(seed, i);
            items = bytes.concat(items, _item(_payment(asset, to, amount)));
            _provide(asset == address(0) ? amount : 0, asset == address(0) ? 0 : amount);
            uint256 which = asset == address(0) ? 0 : 1;
            sums[which] += amount;
            right = right && _isUsable(to) && sums[which] <= limitOf[asset];
        }
        bool done = _execute(_batch(items), highestVersion);
        _judge(done == right, "a batch passed that should not, or did not that should");
        for (uint256 i = 0; done && i < count; ++i) {
            (address asset, address to, uint256 amount) = _itemOf(seed, i);
            _book(asset, to, amount);
        }
    }

    /// People without the custodian: the Permit is a stranger's, a person's or a key's of the past.
    function payWithoutPermit(uint256 amount, uint256 which) external {
        uint256[3] memory keys =
            [_world.peopleKeys[2], _world.strangerKey, _world.otherPermitKey];
        SafeTx memory t = _payment(address(0), places[0], bound(amount, 1, 1 ether));
        bytes32 hash = _hash(t);
        bytes memory tail = _tail(hash, keys[which % 3], highestVersion);
        _judge(!_send(t, bytes.concat(_people(hash), tail)), "a payment passed without Permit");
    }

    /// The custodian with one person too few; a stranger or the permit signer takes the place.
    function payWithoutPeople(uint256 amount, bool custodian) external {
        SafeTx memory t = _payment(address(0), places[0], bound(amount, 1, 1 ether));
        bytes32 hash = _hash(t);
        --threshold;
        bytes memory signatures = _people(hash);
        ++threshold;
        uint256 key = custodian ? _world.permitKey : _world.strangerKey;
        bytes memory tail = _tail(hash, _world.permitKey, highestVersion);
        signatures = bytes.concat(signatures, _rsv(key, hash), tail);
        _judge(!_send(t, signatures), "a payment passed without the people's threshold");
    }

    function announceChange(uint256 which) external {
        bytes32 hash = _changeHash(_changeOf(which % CHANGES));
        uint256 time = changeFrom[hash];
        bool right = !_isFrozen() && (time == 0 || vm.getBlockTimestamp() > time + 14 days);
        bool done = _guardCall(abi.encodeCall(IPermitGuard.announce, (hash)));
        _judge(done == right, "an announcement of a change went wrong");
        if (!done) return;
        changeFrom[hash] = vm.getBlockTimestamp() + 2 days;
        _lastAnnounced = which % CHANGES;
    }

    function cancelChange(uint256 which) external {
        bytes32 hash = _changeHash(_changeOf(which % CHANGES));
        bool done = _guardCall(abi.encodeCall(IPermitGuard.cancel, (hash)));
        _judge(done == (changeFrom[hash] != 0), "a cancellation of a change went wrong");
        delete changeFrom[hash];
    }

    /// Seven changes that are good ones when their time has come, five that never are. The last
    /// one announced is tried in its first second, or in the one before.
    function executeChange(uint256 which, bool last) external {
        uint256 early = which % 2;
        which = last ? _lastAnnounced : which % CHANGES;
        SafeTx memory t = _changeOf(which);
        bytes32 hash = _changeHash(t);
        uint256 time = changeFrom[hash];
        if (last && time > vm.getBlockTimestamp()) vm.warp(time - early);
        uint256 present = vm.getBlockTimestamp();
        bool right = which < HARMLESS && !_isFrozen() && time != 0 && time <= present
            && present <= time + 14 days;
        bool done = _execute(t, highestVersion);
        _judge(done == right, "a change passed that should not, or did not that should");
        if (!done) return;
        ++changes;
        delete changeFrom[hash];
        if (which < 2) limitOf[address(0)] = which == 0 ? 40 ether : 60 ether;
        if (which == 2) limitOf[address(_world.dollar)] = 700_000e6;
        if (which == 3 || which == 4) {
            (_world.permitKey, _world.otherPermitKey) = (_signerKey(which), _signerKey(7 - which));
        }
        if (which > 4) threshold = which - 4;
    }

    function lowerLimit(bool token, uint256 dayUnits) external {
        address asset = _asset(token);
        dayUnits = bound(dayUnits, limitOf[asset] / 2, limitOf[asset] + 1);
        bool done = _guardCall(
            abi.encodeCall(IPermitGuard.lowerLimit, (asset, uint128(dayUnits)))
        );
        _judge(done == (dayUnits < limitOf[asset]), "a limit was not lowered, or was raised");
        if (done) limitOf[asset] = dayUnits;
    }

    function announce(uint256 place) external {
        address to = places[place % places.length];
        bool right = usableFrom[to] == 0 && place % places.length < 3 && !_isFrozen();
        bool done = _guardCall(abi.encodeCall(IPermitGuard.announceDestination, (to)));
        _judge(done == right, "an announcement passed that should not, or the reverse");
        if (done) usableFrom[to] = vm.getBlockTimestamp() + 1 days;
    }

    function revoke(uint256 place) external {
        address to = places[place % places.length];
        bool done = _guardCall(abi.encodeCall(IPermitGuard.revokeDestination, (to)));
        _judge(done == (usableFrom[to] != 0), "a revocation went wrong");
        delete usableFrom[to];
    }

    function reject() external {
        SafeTx memory t;
        t.to = address(_world.vault);
        _judge(_execute(t, highestVersion), "a rejection was refused");
    }

    function freeze(bool stranger) external {
        bool right = !stranger && vm.getBlockTimestamp() >= frozenUntil + 3 days;
        vm.prank(stranger ? address(this) : _world.freezer);
        try _world.guard.freeze(address(_world.vault)) {
            _judge(right, "a freeze passed that should not");
            frozenUntil = vm.getBlockTimestamp() + 3 days;
            ++freezes;
        } catch {
            _judge(!right, "a freeze did not pass");
        }
    }

    function unfreeze(uint256 count) external {
        count = bound(count, freezes, freezes + 1);
        bytes32 digest = _world.guard.unfreezeDigest(address(_world.vault), count);
        bool right = _isFrozen() && count == freezes;
        try _world.guard.unfreeze(address(_world.vault), _people(digest)) {
            _judge(right, "an unfreeze passed that should not");
            frozenUntil = vm.getBlockTimestamp();
        } catch {
            _judge(!right, "an unfreeze did not pass");
        }
    }

    function wait_(uint256 time) external {
        vm.warp(vm.getBlockTimestamp() + bound(time, 1, time % 4 == 0 ? 5 days : 6 hours));
    }

    function deposit(uint256 amount, bool token) external {
        amount = bound(amount, 1, 1e12);
        if (token) {
            _world.dollar.mint(_world.leaf, amount);
            depositedUnits += amount;
        } else {
            vm.deal(_world.leaf, _world.leaf.balance + amount);
            depositedWei += amount;
        }
    }

    function sweep(uint256 amount, bool token) external {
        uint256 held = token ? _world.dollar.balanceOf(_world.leaf) : _world.leaf.balance;
        amount = bound(amount, 1, held + 1);
        ISweepBatcher.Item[] memory items = new ISweepBatcher.Item[](1);
        items[0].account = _world.leaf;
        items[0].token = _asset(token);
        items[0].amount = amount;
        vm.prank(_world.relay);
        _world.batcher.sweep(items);
        if (amount > held) return;
        ++sweeps;
        if (token) sweptUnits += amount;
        else sweptWei += amount;
    }

    function stealFromLeaf(address caller, bool token) external {
        if (caller == address(_world.batcher) || caller == address(_world.vault)) return;
        vm.prank(caller);
        try ISweepDelegate(_world.leaf).sweep(_asset(token), 1) {
            _judge(false, "a stranger swept");
        } catch {
            return;
        }
    }

    function _guardCall(bytes memory data) private returns (bool) {
        return _execute(_call(address(_world.guard), data), highestVersion);
    }

    /// Up to two fifths of the limit, so that a few payments reach it.
    function _amount(address asset, uint256 amount) private returns (uint256) {
        amount = bound(amount, 1, limitOf[asset] * 2 / 5 + 1);
        if (asset == address(0)) _provide(amount, 0);
        else _provide(0, amount);
        return amount;
    }

    function _itemOf(uint256 seed, uint256 i)
        private
        view
        returns (address asset, address to, uint256 amount)
    {
        uint256 word = uint256(keccak256(abi.encode(seed, i)));
        asset = _asset(word % 2 == 0);
        to = places[(word >> 8) % 8 == 0 ? (word >> 16) % places.length : 0];
        amount = bound(word >> 32, 1, limitOf[asset] / 4 + 1);
    }

    function _asset(bool token) private view returns (address) {
        return token ? address(_world.dollar) : address(0);
    }

    function _changeHash(SafeTx memory t) private view returns (bytes32) {
        return _world.guard.changeHash(t.to, t.value, t.data, t.operation);
    }

    /// The key that change 3 or 4 makes the permit signer's.
    function _signerKey(uint256 which) private view returns (uint256) {
        (uint256 low, uint256 high) = _world.permitKey < _world.otherPermitKey
            ? (_world.permitKey, _world.otherPermitKey)
            : (_world.otherPermitKey, _world.permitKey);
        return which == 3 ? low : high;
    }

    function _changeOf(uint256 which) private view returns (SafeTx memory) {
        (address vault, address guard) = (address(_world.vault), address(_world.guard));
        SafeTx memory noGuard = _call(vault, abi.encodeWithSignature("setGuard(address)", 0));
        SafeTx memory noModuleGuard =
            _call(vault, abi.encodeWithSignature("setModuleGuard(address)", 0));
        if (which < 2) {
            uint128 limit = which == 0 ? 40 ether : 60 ether;
            return _call(guard, abi.encodeCall(IPermitGuard.setLimit, (address(0), limit)));
        }
        if (which == 2) {
            address dollar = address(_world.dollar);
            return _call(guard, abi.encodeCall(IPermitGuard.setLimit, (dollar, 700_000e6)));
        }
        if (which < 5) {
            address signer = vm.addr(_signerKey(which));
            return _call(guard, abi.encodeCall(IPermitGuard.setPermitSigner, (signer)));
        }
        if (which < 7) {
            return _call(vault, abi.encodeWithSignature("changeThreshold(uint256)", which - 4));
        }
        if (which == 7) return noGuard;
        if (which == 8) return _batch(bytes.concat(_item(noModuleGuard), _item(noGuard)));
        if (which == 9) {
            return _call(vault, abi.encodeWithSignature("enableModule(address)", address(this)));
        }
        if (which == 10) {
            return _call(
                address(_world.dollar),
                abi.encodeCall(_world.dollar.approve, (address(this), type(uint256).max))
            );
        }
        return _payment(address(0), address(this), 1);
    }
}
