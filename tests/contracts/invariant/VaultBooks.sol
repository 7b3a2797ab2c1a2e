// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {Enum} from "@safe-global/safe-smart-account/contracts/libraries/Enum.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {ISweepBatcher} from "contracts/interfaces/ISweepBatcher.sol";
import {SafeTx} from "tests/contracts/fixtures/VaultFixture.sol";
import {TestDollar} from "tests/contracts/tokens/TestDollar.sol";

struct World {
    ISafe vault;
    IPermitGuard guard;
    TestDollar dollar;
    ISweepBatcher batcher;
    address multiSend;
    address leaf;
    address relay;
    address freezer;
    uint256 permitKey;
    uint256 otherPermitKey;
    uint256 strangerKey;
    uint256[] peopleKeys;
}

struct Paid {
    uint256 time;
    uint256 units;
}

/// What must be true of the vault, written down a second time and by other means than the guard's;
/// and the hands that sign for it.
abstract contract VaultBooks is Test {
    uint256 private constant BUCKET = 3 hours;

    World internal _world;
    /// Three that may be destinations; then vault, guard and token, which may not.
    address[6] public places;

    /// When each place may be paid; 0 = not.
    mapping(address place => uint256) public usableFrom;
    /// What each place was paid rightly.
    mapping(address place => uint256) public paidWei;
    mapping(address place => uint256) public paidUnits;
    /// Each payment that was ever made, by asset; the address zero is the native coin.
    mapping(address token => Paid[]) internal _paid;
    mapping(address token => uint256) public limitOf;
    /// When each change may be executed; 0 = not announced.
    mapping(bytes32 hash => uint256) public changeFrom;
    uint256 public frozenUntil;
    uint256 public freezes;
    uint256 public threshold = 2;
    uint256 public addedWei;
    uint256 public addedUnits;
    uint64 public highestVersion;
    uint256 public payments;
    uint256 public wrongs;
    string public firstWrong;

    function _judge(bool right, string memory wrong) internal {
        if (right) return;
        if (wrongs++ == 0) firstWrong = wrong;
    }

    function _isFrozen() internal view returns (bool) {
        return vm.getBlockTimestamp() < frozenUntil;
    }

    function _isUsable(address place) internal view returns (bool) {
        return usableFrom[place] != 0 && usableFrom[place] <= vm.getBlockTimestamp();
    }

    /// What the buckets of `token` must hold now, from the list of all payments.
    function counted(address token) public view returns (uint256 sum) {
        uint256 current = vm.getBlockTimestamp() / BUCKET;
        for (uint256 i = 0; i < _paid[token].length; ++i) {
            if (_paid[token][i].time / BUCKET + 8 >= current) sum += _paid[token][i].units;
        }
    }

    /// Writes a payment down; the window of 24 hours that ends with it is within the limit.
    function _book(address token, address to, uint256 units) internal {
        uint256 time = vm.getBlockTimestamp();
        _paid[token].push(Paid({time: time, units: units}));
        uint256 sum;
        for (uint256 i = _paid[token].length; i > 0; --i) {
            Paid storage one = _paid[token][i - 1];
            if (one.time + 1 days <= time) break;
            sum += one.units;
        }
        _judge(sum <= limitOf[token], "a window of 24 hours holds more than the limit");
        if (token == address(0)) paidWei[to] += units;
        else paidUnits[to] += units;
        ++payments;
    }

    /// The vault is never refused for want of money.
    function _provide(uint256 coins, uint256 units) internal {
        address vault = address(_world.vault);
        vm.deal(vault, vault.balance + coins);
        _world.dollar.mint(vault, units);
        addedWei += coins;
        addedUnits += units;
    }

    function _item(SafeTx memory t) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0), t.to, t.value, t.data.length, t.data);
    }

    function _batch(bytes memory items) internal view returns (SafeTx memory t) {
        t.to = _world.multiSend;
        t.data = abi.encodeWithSignature("multiSend(bytes)", items);
        t.operation = 1;
    }

    function _call(address to, bytes memory data) internal pure returns (SafeTx memory t) {
        (t.to, t.data) = (to, data);
    }

    function _payment(address token, address to, uint256 units)
        internal
        view
        returns (SafeTx memory t)
    {
        if (token != address(0)) {
            return _call(address(_world.dollar), abi.encodeCall(_world.dollar.transfer, (to, units)));
        }
        (t.to, t.value) = (to, units);
    }

    /// Signed by as many people as the threshold says, and by the permit signer in force.
    function _execute(SafeTx memory t, uint64 version) internal returns (bool) {
        bytes32 hash = _hash(t);
        return _send(t, bytes.concat(_people(hash), _tail(hash, _world.permitKey, version)));
    }

    function _send(SafeTx memory t, bytes memory signatures) internal returns (bool) {
        try _world.vault.execTransaction(
            t.to,
            t.value,
            t.data,
            Enum.Operation(t.operation),
            0,
            0,
            0,
            address(0),
            payable(0),
            signatures
        ) returns (bool ok) {
            return ok;
        } catch {
            return false;
        }
    }

    function _hash(SafeTx memory t) internal view returns (bytes32) {
        ISafe vault = _world.vault;
        Enum.Operation operation = Enum.Operation(t.operation);
        return vault.getTransactionHash(
            t.to, t.value, t.data, operation, 0, 0, 0, address(0), address(0), vault.nonce()
        );
    }

    function _people(bytes32 digest) internal view returns (bytes memory all) {
        for (uint256 i = 0; i < threshold; ++i) {
            all = bytes.concat(all, _rsv(_world.peopleKeys[i], digest));
        }
    }

    function _tail(bytes32 hash, uint256 key, uint64 version)
        internal
        view
        returns (bytes memory)
    {
        uint64 until = uint64(vm.getBlockTimestamp() + 60);
        bytes32 permit = _world.guard.permitDigest(address(_world.vault), hash, version, until);
        return bytes.concat(abi.encodePacked(version, until), _rsv(key, permit));
    }

    function _rsv(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
