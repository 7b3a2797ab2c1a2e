// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {IVaultExit} from "contracts/interfaces/IVaultExit.sol";
import {ExitFixture} from "tests/contracts/fixtures/ExitFixture.sol";

contract ExitAnnounceTest is ExitFixture {
    uint256 private constant CURVE_ORDER =
        0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function testFuzz_AnybodySubmitsWhatTheThresholdSigned(
        address caller,
        uint256 owners,
        uint256 threshold
    ) public {
        owners = bound(owners, 1, 6);
        threshold = bound(threshold, 1, owners);
        address made = address(_born(owners, threshold));
        bytes memory signatures = _signatures(threshold, exit.announceDigest(made, 1));
        vm.expectEmit(address(exit));
        emit IVaultExit.ExitAnnounced(made, 1, vm.getBlockTimestamp() + EXIT_DELAY);
        vm.prank(caller);
        exit.announce(made, signatures);
        (uint256 id, uint256 usableFrom) = exit.announcementOf(made);
        assertEq(id, 1);
        assertEq(usableFrom, vm.getBlockTimestamp() + EXIT_DELAY);
    }

    function test_TooFewAnnounceNothing() public {
        bytes32 digest = _digest(1);
        _refuse("", "GS020");
        _refuse(_signatures(1, digest), "GS020");
        _refuse(_pair(peopleKeys[0], peopleKeys[0], digest), "GS026");
        _refuse(_pair(peopleKeys[1], peopleKeys[0], digest), "GS026");
        _refuse(_pair(peopleKeys[0], peopleKeys[4], digest), "GS026");
        bytes memory one = _signature(peopleKeys[0], digest);
        _refuse(bytes.concat(one, _otherEncoding(peopleKeys[0], digest)), "GS026");
        _expectPending(0, 0);
    }

    /// The custodian's key is no owner: with one person it is still one person.
    function test_ThePermitSignerCountsForNothing() public {
        (address permitSigner, uint256 permitKey) = makeAddrAndKey("permit signer");
        bytes32 digest = _digest(1);
        bytes memory person = _signature(peopleKeys[0], digest);
        bytes memory custodian = _signature(permitKey, digest);
        bool after_ = permitSigner > people[0];
        _refuse(after_ ? bytes.concat(person, custodian) : bytes.concat(custodian, person), "GS026");
    }

    function test_ARemovedPersonCountsForNothing() public {
        bytes memory signatures = _signatures(2, _digest(1));
        address previous = _before(people[0]);
        vm.prank(address(safe));
        safe.removeOwner(previous, people[0], 2);
        _refuse(signatures, "GS026");
    }

    /// Executor zero: that an owner calls is not that he signed.
    function test_TheCallersOwnSlotIsNoSignature() public {
        bytes memory signatures =
            bytes.concat(_approved(people[0]), _signature(peopleKeys[1], _digest(1)));
        vm.prank(people[0]);
        vm.expectRevert("GS025");
        exit.announce(address(safe), signatures);
    }

    function test_AHashApprovedOnTheSafeIsASignature() public {
        bytes32 digest = _digest(1);
        vm.prank(people[0]);
        safe.approveHash(digest);
        exit.announce(
            address(safe), bytes.concat(_approved(people[0]), _signature(peopleKeys[1], digest))
        );
        _expectPending(1, vm.getBlockTimestamp() + EXIT_DELAY);
    }

    function testFuzz_AnotherIdIsRefused(uint256 id) public {
        vm.assume(id != 1);
        _refuse(_signatures(2, _digest(id)), "GS026");
    }

    function test_WhatWasSignedForAnotherVaultExitChainOrPurposeIsRefused() public {
        _refuse(_signatures(2, exit.announceDigest(address(_born(4, 2)), 1)), "GS026");
        _refuse(_signatures(2, exit.cancelDigest(address(safe), 1)), "GS026");
        IVaultExit other = IVaultExit(address(deployCode("VaultExit.sol:VaultExit")));
        _refuse(_signatures(2, other.announceDigest(address(safe), 1)), "GS026");
        bytes memory here = _signatures(2, _digest(1));
        vm.chainId(99);
        _refuse(here, "GS026");
    }

    function testFuzz_RandomBytesAreRefused(bytes calldata junk) public {
        vm.expectRevert();
        exit.announce(address(safe), junk);
    }

    function testFuzz_NoReannouncementWhilePending(uint256 later) public {
        _announce();
        uint256 usableFrom = vm.getBlockTimestamp() + EXIT_DELAY;
        vm.warp(vm.getBlockTimestamp() + bound(later, 0, 100 days));
        bytes memory again = _signatures(2, _digest(2));
        vm.expectRevert(
            abi.encodeWithSelector(IVaultExit.VaultExit_AlreadyAnnounced.selector, address(safe), 1)
        );
        exit.announce(address(safe), again);
        _expectPending(1, usableFrom);
    }

    function test_ASignatureIsGoodForOneAnnouncement() public {
        bytes memory signatures = _signatures(2, _digest(1));
        exit.announce(address(safe), signatures);
        _cancel();
        _expectPending(1, 0);
        _refuse(signatures, "GS026");
        _announce();
        _expectPending(2, vm.getBlockTimestamp() + EXIT_DELAY);
    }

    function test_AnotherVaultsAnnouncementIsItsOwn() public {
        ISafe other = _born(4, 2);
        _announce();
        (uint256 id, uint256 usableFrom) = exit.announcementOf(address(other));
        assertEq(id + usableFrom, 0);
        exit.announce(address(other), _signatures(2, exit.announceDigest(address(other), 1)));
        _expectPending(1, vm.getBlockTimestamp() + EXIT_DELAY);
    }

    function testFuzz_TheDigestsAreEip712(address anySafe, uint256 id, uint64 chain) public {
        vm.chainId(bound(chain, 1, type(uint64).max - 1));
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("StrongroomExit"),
                keccak256("1"),
                block.chainid,
                address(exit)
            )
        );
        assertEq(exit.domainSeparator(), domain);
        bytes32 announce = keccak256("Announce(address safe,uint256 id)");
        bytes32 cancel = keccak256("Cancel(address safe,uint256 id)");
        assertEq(exit.announceDigest(anySafe, id), _typed(domain, announce, anySafe, id));
        assertEq(exit.cancelDigest(anySafe, id), _typed(domain, cancel, anySafe, id));
    }

    function _refuse(bytes memory signatures, string memory why) private {
        vm.expectRevert(bytes(why));
        exit.announce(address(safe), signatures);
    }

    function _digest(uint256 id) private view returns (bytes32) {
        return exit.announceDigest(address(safe), id);
    }

    function _before(address owner) private view returns (address previous) {
        address[] memory owners = safe.getOwners();
        previous = address(1);
        for (uint256 i = 0; owners[i] != owner; ++i) {
            previous = owners[i];
        }
    }

    function _pair(uint256 first, uint256 second, bytes32 digest)
        private
        pure
        returns (bytes memory)
    {
        return bytes.concat(_signature(first, digest), _signature(second, digest));
    }

    /// The same signature with high s, which Safe takes too.
    function _otherEncoding(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, CURVE_ORDER - uint256(s), v == 27 ? uint8(28) : uint8(27));
    }

    /// Safe's slot for a hash that `owner` approved.
    function _approved(address owner) private pure returns (bytes memory) {
        return abi.encodePacked(uint256(uint160(owner)), uint256(0), uint8(1));
    }

    function _typed(bytes32 domain, bytes32 typehash, address anySafe, uint256 id)
        private
        pure
        returns (bytes32)
    {
        return keccak256(
            bytes.concat(hex"1901", domain, keccak256(abi.encode(typehash, anySafe, id)))
        );
    }
}
