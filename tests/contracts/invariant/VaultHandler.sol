// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {Enum} from "@safe-global/safe-smart-account/contracts/libraries/Enum.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {ISweepBatcher} from "contracts/interfaces/ISweepBatcher.sol";
import {ISweepDelegate} from "contracts/interfaces/ISweepDelegate.sol";
import {TestDollar} from "tests/contracts/tokens/TestDollar.sol";

struct World {
    ISafe vault;
    IPermitGuard guard;
    TestDollar dollar;
    ISweepBatcher batcher;
    address leaf;
    address relay;
    uint256 permitKey;
    uint256 strangerKey;
    uint256[] peopleKeys;
}

/// Plays people, custodian, relay and thieves at random; counts what should never happen.
contract VaultHandler is Test {
    World private _world;
    address[6] public places;

    /// When each place may be paid, kept here a second time; 0 = not.
    mapping(address place => uint256) public usableFrom;
    /// What each place was paid rightly.
    mapping(address place => uint256) public paidWei;
    mapping(address place => uint256) public paidUnits;
    uint256 public sweptWei;
    uint256 public sweptUnits;
    uint256 public depositedWei;
    uint256 public depositedUnits;
    uint64 public highestVersion;
    uint256 public wrongs;
    string public firstWrong;
    uint256 public payments;
    uint256 public sweeps;

    constructor(World memory world, address payee) {
        _world = world;
        usableFrom[payee] = vm.getBlockTimestamp();
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
    function pay(uint256 place, uint256 amount, bool token, uint64 version) external {
        address to = places[place % places.length];
        amount = bound(amount, 1, token ? 1e6 : 0.1 ether);
        version = uint64(bound(version, 0, 40));
        uint256 usable = usableFrom[to];
        bool right = usable != 0 && usable <= vm.getBlockTimestamp() && version >= highestVersion;
        bool done = token
            ? _execute(address(_world.dollar), 0, _transfer(to, amount), _world.permitKey, version)
            : _execute(to, amount, "", _world.permitKey, version);
        _judge(done == right, "a payment passed that should not, or did not that should");
        if (!done) return;
        ++payments;
        if (version > highestVersion) highestVersion = version;
        if (token) paidUnits[to] += amount;
        else paidWei[to] += amount;
    }

    /// People without the custodian: the Permit is a stranger's, or a person's.
    function payWithoutPermit(uint256 amount, bool person) external {
        uint256 key = person ? _world.peopleKeys[2] : _world.strangerKey;
        bool done = _execute(places[0], bound(amount, 1, 1 ether), "", key, highestVersion);
        _judge(!done, "a payment passed without Permit");
    }

    /// The custodian with one person only, who signs twice.
    function payWithOnePerson(uint256 amount) external {
        address to = places[0];
        amount = bound(amount, 1, 1 ether);
        uint256 other = _world.peopleKeys[1];
        _world.peopleKeys[1] = _world.peopleKeys[0];
        bool done = _execute(to, amount, "", _world.permitKey, highestVersion);
        _world.peopleKeys[1] = other;
        _judge(!done, "a payment passed without the people's threshold");
    }

    /// The vault's own setters, agreed upon by everybody.
    function reconfigure(uint256 which) external {
        bytes[4] memory calls = [
            abi.encodeWithSignature("setGuard(address)", address(0)),
            abi.encodeWithSignature("setModuleGuard(address)", address(0)),
            abi.encodeWithSignature("enableModule(address)", address(this)),
            abi.encodeWithSignature("changeThreshold(uint256)", 1)
        ];
        bool done =
            _execute(address(_world.vault), 0, calls[which % 4], _world.permitKey, highestVersion);
        _judge(!done, "the vault was reconfigured");
    }

    function announce(uint256 place) external {
        address to = places[place % places.length];
        bool right = usableFrom[to] == 0 && place % places.length < 3;
        bytes memory data = abi.encodeCall(IPermitGuard.announceDestination, (to));
        bool done = _execute(address(_world.guard), 0, data, _world.permitKey, highestVersion);
        _judge(done == right, "an announcement passed that should not, or the reverse");
        if (done) usableFrom[to] = vm.getBlockTimestamp() + 1 days;
    }

    function revoke(uint256 place) external {
        address to = places[place % places.length];
        bytes memory data = abi.encodeCall(IPermitGuard.revokeDestination, (to));
        bool done = _execute(address(_world.guard), 0, data, _world.permitKey, highestVersion);
        _judge(done == (usableFrom[to] != 0), "a revocation went wrong");
        delete usableFrom[to];
    }

    function reject() external {
        bool done = _execute(address(_world.vault), 0, "", _world.permitKey, highestVersion);
        _judge(done, "a rejection was refused");
    }

    function wait_(uint256 time) external {
        vm.warp(vm.getBlockTimestamp() + bound(time, 1, 1 days));
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
        items[0].token = token ? address(_world.dollar) : address(0);
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
        try ISweepDelegate(_world.leaf).sweep(token ? address(_world.dollar) : address(0), 1) {
            _judge(false, "a stranger swept");
        } catch {
            return;
        }
    }

    function _judge(bool right, string memory wrong) private {
        if (right) return;
        if (wrongs++ == 0) firstWrong = wrong;
    }

    function _transfer(address to, uint256 units) private view returns (bytes memory) {
        return abi.encodeCall(_world.dollar.transfer, (to, units));
    }

    function _execute(
        address to,
        uint256 value,
        bytes memory data,
        uint256 key,
        uint64 version
    ) private returns (bool) {
        ISafe vault = _world.vault;
        bytes memory signatures = _sign(_hash(to, value, data), key, version);
        try vault.execTransaction(
            to, value, data, Enum.Operation.Call, 0, 0, 0, address(0), payable(0), signatures
        ) returns (bool ok) {
            return ok;
        } catch {
            return false;
        }
    }

    function _hash(address to, uint256 value, bytes memory data) private view returns (bytes32) {
        ISafe vault = _world.vault;
        return vault.getTransactionHash(
            to, value, data, Enum.Operation.Call, 0, 0, 0, address(0), address(0), vault.nonce()
        );
    }

    function _sign(bytes32 hash, uint256 key, uint64 version)
        private
        view
        returns (bytes memory)
    {
        uint64 until = uint64(vm.getBlockTimestamp() + 60);
        bytes32 permit = _world.guard.permitDigest(address(_world.vault), hash, version, until);
        return bytes.concat(
            _rsv(_world.peopleKeys[0], hash),
            _rsv(_world.peopleKeys[1], hash),
            abi.encodePacked(version, until),
            _rsv(key, permit)
        );
    }

    function _rsv(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
