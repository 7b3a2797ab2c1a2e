// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ILogAnchor} from "contracts/interfaces/ILogAnchor.sol";
import {SafeFixture} from "tests/contracts/fixtures/SafeFixture.sol";

contract LogAnchorTest is SafeFixture {
    uint256 private constant CURVE_ORDER =
        0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    uint256 private constant QUORUM = 3;

    address private _writer = makeAddr("writer");
    ILogAnchor private _anchor;

    function setUp() public override {
        // Five officers, in the fixture's ascending order.
        _makePeople(5);
        _anchor = _made(people, QUORUM, _writer);
    }

    function test_ItIsBornAsNamed() public view {
        for (uint256 i = 0; i < 5; ++i) {
            assertTrue(_anchor.isOfficer(people[i]));
        }
        assertFalse(_anchor.isOfficer(_writer));
        assertEq(_anchor.quorum(), QUORUM);
        assertEq(_anchor.writer(), _writer);
        _expectLast(1, 0, 0);
    }

    function test_WrongConstructionIsRefused() public {
        address[] memory officers = people;
        _refuseBirth(officers, 0, _writer, _outOfRange(0, 5));
        _refuseBirth(officers, 6, _writer, _outOfRange(6, 5));
        _refuseBirth(new address[](0), 0, _writer, _outOfRange(0, 0));
        bytes memory noWriter = abi.encodePacked(ILogAnchor.LogAnchor_WriterIsZero.selector);
        _refuseBirth(officers, 3, address(0), noWriter);
        officers[1] = officers[0];
        _refuseBirth(officers, 3, _writer, _notAscending(officers[0]));
        officers[0] = officers[2];
        _refuseBirth(officers, 3, _writer, _notAscending(officers[1]));
        officers[0] = address(0);
        _refuseBirth(officers, 3, _writer, _notAscending(address(0)));
    }

    function testFuzz_TheSizeOnlyGrows(uint64 first, uint64 second, bytes32 root) public {
        vm.assume(first != 0);
        _put(1, first, root);
        _expectLast(1, first, root);
        if (second > first) {
            vm.expectEmit(address(_anchor));
            emit ILogAnchor.Anchored(1, second, ~root);
            _put(1, second, ~root);
            _expectLast(1, second, ~root);
        } else {
            _refusePut(
                1,
                second,
                abi.encodeWithSelector(ILogAnchor.LogAnchor_SizeDidNotGrow.selector, second, first)
            );
            _expectLast(1, first, root);
        }
    }

    function test_AnEmptyLogIsNotAnchored() public {
        _refusePut(1, 0, abi.encodeWithSelector(ILogAnchor.LogAnchor_SizeDidNotGrow.selector, 0, 0));
    }

    function testFuzz_OnlyTheEpochInForceIsAnchored(uint64 epoch) public {
        vm.assume(epoch != 1);
        _refusePut(
            epoch,
            9,
            abi.encodeWithSelector(ILogAnchor.LogAnchor_EpochNotInForce.selector, epoch, 1)
        );
    }

    function test_APastEpochIsNotAnchored() public {
        _anchor.replaceWriter(_writer, 3, _signatures(QUORUM, _anchor.replaceDigest(_writer, 3)));
        for (uint64 epoch = 0; epoch < 3; ++epoch) {
            _refusePut(
                epoch,
                9,
                abi.encodeWithSelector(ILogAnchor.LogAnchor_EpochNotInForce.selector, epoch, 3)
            );
        }
    }

    function testFuzz_OnlyTheWriterAnchors(address caller) public {
        vm.assume(caller != _writer);
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(ILogAnchor.LogAnchor_CallerIsNotWriter.selector, caller)
        );
        _anchor.anchor(1, 1, bytes32(uint256(1)));
    }

    function testFuzz_AQuorumReplacesWriterAndEpoch(address caller, address next, uint64 epoch)
        public
    {
        epoch = uint64(bound(epoch, 2, type(uint64).max));
        vm.assume(next != address(0) && next != _writer);
        _put(1, 100, bytes32(uint256(1)));
        bytes memory signatures = _signatures(QUORUM, _anchor.replaceDigest(next, epoch));
        vm.expectEmit(address(_anchor));
        emit ILogAnchor.WriterReplaced(next, epoch);
        vm.prank(caller);
        _anchor.replaceWriter(next, epoch, signatures);
        assertEq(_anchor.writer(), next);
        _expectLast(epoch, 0, 0);
        vm.prank(_writer);
        vm.expectRevert(
            abi.encodeWithSelector(ILogAnchor.LogAnchor_CallerIsNotWriter.selector, _writer)
        );
        _anchor.anchor(epoch, 101, 0);
        vm.prank(next);
        _anchor.anchor(epoch, 1, bytes32(uint256(2)));
        _expectLast(epoch, 1, bytes32(uint256(2)));
    }

    function test_AnyQuorumOfOfficersWillDo() public {
        bytes32 digest = _anchor.replaceDigest(stranger, 2);
        bytes memory signatures = bytes.concat(
            _signature(peopleKeys[0], digest),
            _signature(peopleKeys[2], digest),
            _signature(peopleKeys[4], digest)
        );
        _anchor.replaceWriter(stranger, 2, signatures);
        assertEq(_anchor.writer(), stranger);
    }

    function test_SignedOnceItWorksOnce() public {
        bytes memory back = _signatures(QUORUM, _anchor.replaceDigest(_writer, 3));
        bytes memory there = _signatures(QUORUM, _anchor.replaceDigest(stranger, 2));
        _anchor.replaceWriter(stranger, 2, there);
        _refuse(stranger, 2, there, _didNotRise(2, 2));
        _anchor.replaceWriter(_writer, 3, back);
        _refuse(stranger, 2, there, _didNotRise(2, 3));
        _refuse(_writer, 3, back, _didNotRise(3, 3));
    }

    function testFuzz_TheEpochRises(uint64 epoch) public {
        epoch = uint64(bound(epoch, 0, 1));
        bytes memory signatures = _signatures(QUORUM, _anchor.replaceDigest(stranger, epoch));
        _refuse(stranger, epoch, signatures, _didNotRise(epoch, 1));
    }

    function test_NoWriterIsNoReplacement() public {
        bytes memory signatures = _signatures(QUORUM, _anchor.replaceDigest(address(0), 2));
        _refuse(
            address(0), 2, signatures, abi.encodePacked(ILogAnchor.LogAnchor_WriterIsZero.selector)
        );
    }

    function test_NotExactlyAQuorumIsRefused() public {
        bytes32 digest = _anchor.replaceDigest(stranger, 2);
        _refuse(stranger, 2, _signatures(2, digest), _length(130));
        _refuse(stranger, 2, _signatures(4, digest), _length(260));
        _refuse(stranger, 2, bytes.concat(_signatures(3, digest), hex"00"), _length(196));
        bytes memory zero = _signature(peopleKeys[0], digest);
        bytes memory one = _signature(peopleKeys[1], digest);
        bytes memory two = _signature(peopleKeys[2], digest);
        _refuse(stranger, 2, bytes.concat(zero, zero, one), _signersNotAscending(people[0]));
        _refuse(stranger, 2, bytes.concat(zero, two, one), _signersNotAscending(people[1]));
    }

    function test_ASignatureHasOneEncoding() public {
        bytes32 digest = _anchor.replaceDigest(stranger, 2);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(peopleKeys[2], digest);
        bytes32 high = bytes32(CURVE_ORDER - uint256(s));
        bytes memory other = abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27));
        _refuse(
            stranger,
            2,
            bytes.concat(_signatures(2, digest), other),
            abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, high)
        );
    }

    function testFuzz_NobodyButOfficersCounts(uint256 key) public {
        key = bound(key, 1, CURVE_ORDER - 1);
        address signer = vm.addr(key);
        vm.assume(!_anchor.isOfficer(signer));
        bytes32 digest = _anchor.replaceDigest(stranger, 2);
        bytes memory signatures = bytes.concat(_signatures(2, digest), _signature(key, digest));
        _refuse(stranger, 2, signatures, _notOfficer(signer));
    }

    function testFuzz_RandomBytesAreRefused(bytes32[6] calldata words, uint8[3] calldata v) public {
        bytes memory junk = abi.encodePacked(
            words[0], words[1], v[0], words[2], words[3], v[1], words[4], words[5], v[2]
        );
        vm.expectRevert();
        _anchor.replaceWriter(stranger, 2, junk);
    }

    function test_WhatWasSignedForAnotherWriterEpochAnchorOrChainIsRefused() public {
        ILogAnchor other = _made(people, QUORUM, stranger);
        bytes32[3] memory digests = [
            _anchor.replaceDigest(payee, 2),
            _anchor.replaceDigest(stranger, 3),
            other.replaceDigest(stranger, 2)
        ];
        for (uint256 i = 0; i < 3; ++i) {
            _refuseAny(_signatures(QUORUM, digests[i]));
        }
        bytes memory here = _signatures(QUORUM, _anchor.replaceDigest(stranger, 2));
        vm.chainId(99);
        _refuseAny(here);
    }

    function testFuzz_TheDigestIsEip712(address next, uint64 epoch, uint64 chain) public {
        vm.chainId(bound(chain, 1, type(uint64).max - 1));
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("StrongroomLogAnchor"),
                keccak256("1"),
                block.chainid,
                address(_anchor)
            )
        );
        bytes32 typehash = keccak256("ReplaceWriter(address writer,uint64 epoch)");
        bytes32 content = keccak256(abi.encode(typehash, next, epoch));
        assertEq(
            _anchor.replaceDigest(next, epoch), keccak256(bytes.concat(hex"1901", domain, content))
        );
    }

    function _made(address[] memory officers, uint256 quorum, address writer)
        private
        returns (ILogAnchor)
    {
        return ILogAnchor(_deploy(_creation(officers, quorum, writer)));
    }

    function _creation(address[] memory officers, uint256 quorum, address writer)
        private
        view
        returns (bytes memory)
    {
        return bytes.concat(
            vm.getCode("LogAnchor.sol:LogAnchor"), abi.encode(officers, quorum, writer)
        );
    }

    function _refuseBirth(
        address[] memory officers,
        uint256 quorum,
        address writer,
        bytes memory why
    ) private {
        bytes memory creation = _creation(officers, quorum, writer);
        vm.expectRevert(why);
        this.create(creation);
    }

    /// The deterministic deployer hides why a constructor reverts.
    function create(bytes calldata creation) external {
        bytes memory code = creation;
        assembly {
            if iszero(create(0, add(code, 32), mload(code))) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    function _put(uint64 epoch, uint64 size, bytes32 root) private {
        vm.prank(_writer);
        _anchor.anchor(epoch, size, root);
    }

    function _refusePut(uint64 epoch, uint64 size, bytes memory why) private {
        vm.prank(_writer);
        vm.expectRevert(why);
        _anchor.anchor(epoch, size, bytes32(uint256(7)));
    }

    function _refuse(address next, uint64 epoch, bytes memory signatures, bytes memory why)
        private
    {
        vm.expectRevert(why);
        _anchor.replaceWriter(next, epoch, signatures);
    }

    /// Recovers somebody who is no officer, whom nobody can name beforehand.
    function _refuseAny(bytes memory signatures) private {
        vm.expectPartialRevert(ILogAnchor.LogAnchor_SignerNotOfficer.selector);
        _anchor.replaceWriter(stranger, 2, signatures);
    }

    function _expectLast(uint64 epoch, uint64 size, bytes32 root) private view {
        (uint64 lastEpoch, uint64 lastSize, bytes32 lastRoot) = _anchor.last();
        assertEq(lastEpoch, epoch, "epoch");
        assertEq(lastSize, size, "size");
        assertEq(lastRoot, root, "root");
    }

    function _length(uint256 length) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                ILogAnchor.LogAnchor_SignaturesLength.selector, length, QUORUM * 65
            );
    }

    function _outOfRange(uint256 quorum, uint256 officers) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(ILogAnchor.LogAnchor_QuorumOutOfRange.selector, quorum, officers);
    }

    function _notAscending(address officer) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ILogAnchor.LogAnchor_OfficersNotAscending.selector, officer);
    }

    function _signersNotAscending(address signer) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ILogAnchor.LogAnchor_SignersNotAscending.selector, signer);
    }

    function _notOfficer(address signer) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ILogAnchor.LogAnchor_SignerNotOfficer.selector, signer);
    }

    function _didNotRise(uint64 epoch, uint64 inForce) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ILogAnchor.LogAnchor_EpochDidNotRise.selector, epoch, inForce);
    }
}
