// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

/// Rule 5: people's ECDSA signatures, exactly as many as the threshold, and our Permit.
contract CheckTransactionPermitTest is VaultFixture {
    uint256 private constant ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    SafeTx private _payment;
    bytes32 private _payHash;
    uint64 private _later;

    function setUp() public override {
        super.setUp();
        _payment = _native(payee, 1 ether);
        _payHash = _hash(_payment, 0);
        _later = uint64(block.timestamp + 1 hours);
    }

    function test_WithoutAPermitPeopleAloneMoveNothing() public {
        _refuseSigned(_payment, _peopleSign(_payHash), _length(130));
    }

    function test_WithoutPeopleThePermitMovesNothing() public {
        bytes memory tail = _tail(permitKey, _payHash, POLICY_VERSION, _later);
        bytes memory one = bytes.concat(_signature(peopleKeys[0], _payHash), tail);
        _refuseSigned(_payment, one, bytes("GS026"));
    }

    function testFuzz_TheSignaturesHaveExactlyOneLength(uint256 extra) public {
        extra = bound(extra, 1, 400);
        bytes memory good = _signed(_payment);
        bytes memory longer = bytes.concat(good, new bytes(extra));
        _refuseSigned(_payment, longer, _length(longer.length));
        uint256 cut = bound(extra, 1, 81);
        bytes memory shorter = new bytes(good.length - cut);
        for (uint256 i = 0; i < shorter.length; ++i) {
            shorter[i] = good[i];
        }
        _refuseSigned(_payment, shorter, _length(shorter.length));
    }

    /// A third person's signature where the Permit belongs is no Permit.
    function test_ThreePeopleAreNoPermit() public {
        _refuseSigned(_payment, bytes.concat(_peopleSign(_payHash), _tail(
            peopleKeys[2], _payHash, POLICY_VERSION, _later
        )), _notBySigner(people[2]));
    }

    /// An approved hash (v = 1) and the executor's own (v = 1) need no signature: refused.
    function test_AnApprovedHashIsNoSignature() public {
        vm.prank(people[0]);
        vault.approveHash(_payHash);
        _refuseSlotZero(abi.encodePacked(uint256(uint160(people[0])), uint256(0), uint8(1)), 1);
    }

    function test_TheExecutorsOwnSlotIsNoSignature() public {
        bytes memory slot = abi.encodePacked(uint256(uint160(people[0])), uint256(0), uint8(1));
        vm.startPrank(people[0]);
        _refuseSlotZero(slot, 1);
    }

    function test_AnEthSignMessageIsNoSignature() public {
        bytes32 message = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", _payHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(peopleKeys[0], message);
        _refuseSlotZero(abi.encodePacked(r, s, v + 4), v + 4);
    }

    function test_APermitForAnotherTransactionIsRefused() public {
        bytes32[3] memory others = [
            _hash(_native(payee, 2 ether), 0), _hash(_payment, 1), keccak256("anything")
        ];
        for (uint256 i = 0; i < others.length; ++i) {
            _refuseTail(_tail(permitKey, others[i], POLICY_VERSION, _later));
        }
    }

    function test_APermitForAnotherVaultIsRefused() public {
        bytes32 digest = guard.permitDigest(stranger, _payHash, POLICY_VERSION, _later);
        _refuseTail(abi.encodePacked(POLICY_VERSION, _later, _signature(permitKey, digest)));
    }

    function test_APermitForAnotherChainIsRefused() public {
        uint256 here = 31337;
        assertEq(block.chainid, here);
        vm.chainId(1);
        bytes memory tail = _tail(permitKey, _payHash, POLICY_VERSION, _later);
        vm.chainId(here);
        _refuseTail(tail);
    }

    function testFuzz_APermitByAnotherKeyIsRefused(uint256 key) public {
        key = bound(key, 1, ORDER - 1);
        vm.assume(key != permitKey);
        _refuseSigned(
            _payment,
            bytes.concat(_peopleSign(_payHash), _tail(key, _payHash, POLICY_VERSION, _later)),
            _notBySigner(vm.addr(key))
        );
    }

    function testFuzz_WhatThePermitSaysIsSigned(uint64 version, uint64 validUntil) public {
        validUntil = uint64(bound(validUntil, block.timestamp, type(uint64).max));
        vm.assume(version != POLICY_VERSION || validUntil != _later);
        bytes32 digest =
            guard.permitDigest(address(vault), _payHash, POLICY_VERSION, _later);
        _refuseTail(abi.encodePacked(version, validUntil, _signature(permitKey, digest)));
    }

    function test_APermitWithHighSIsRefused() public {
        bytes32 digest =
            guard.permitDigest(address(vault), _payHash, POLICY_VERSION, _later);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(permitKey, digest);
        bytes32 high = bytes32(ORDER - uint256(s));
        bytes memory tail =
            abi.encodePacked(POLICY_VERSION, _later, r, high, v == 27 ? uint8(28) : uint8(27));
        _refuseSigned(
            _payment,
            bytes.concat(_peopleSign(_payHash), tail),
            abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, high)
        );
    }

    function test_APermitIsGoodToItsLastSecondAndNoLonger() public {
        bytes memory signatures = _signed(_payment);
        vm.warp(_later + 1);
        _refuseSigned(
            _payment,
            signatures,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_PermitExpired.selector, _later, block.timestamp
            )
        );
        vm.warp(_later);
        assertTrue(_execute(_payment, signatures));
    }

    function test_ThePolicyVersionOnlyRises() public {
        _pay(_payment);
        assertEq(guard.vaultOf(address(vault)).policyVersion, POLICY_VERSION);
        bytes32 next = _hash(_payment, 1);
        uint64 older = POLICY_VERSION - 1;
        bytes memory tail = _tail(permitKey, next, older, _later);
        _refuseSigned(
            _payment,
            bytes.concat(_peopleSign(next), tail),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_PolicyVersionFell.selector, older, POLICY_VERSION
            )
        );
        tail = _tail(permitKey, next, POLICY_VERSION + 2, _later);
        vm.expectEmit(address(guard));
        emit IPermitGuard.PermitAccepted(address(vault), next, POLICY_VERSION + 2, _later);
        assertTrue(_execute(_payment, bytes.concat(_peopleSign(next), tail)));
        assertEq(guard.vaultOf(address(vault)).policyVersion, POLICY_VERSION + 2);
    }

    /// The digest as any EIP-712 library makes it, written out here a second time.
    function test_ThePermitDigestIsEip712() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("StrongroomGuard"),
                keccak256("1"),
                block.chainid,
                address(guard)
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                0x2108e0608731bed522e21e8d017caa5f5583705c6ad56fa7980a146f43b8261f,
                address(vault),
                _payHash,
                uint256(POLICY_VERSION),
                uint256(_later)
            )
        );
        assertEq(guard.domainSeparator(), domain);
        assertEq(
            guard.permitDigest(address(vault), _payHash, POLICY_VERSION, _later),
            keccak256(abi.encodePacked(hex"1901", domain, structHash))
        );
    }

    function _refuseSlotZero(bytes memory slot, uint8 v) private {
        bytes memory tail = _tail(permitKey, _payHash, POLICY_VERSION, _later);
        _refuseSigned(
            _payment,
            bytes.concat(slot, _signature(peopleKeys[1], _payHash), tail),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_SignatureIsNotEcdsa.selector, 0, v)
        );
    }

    /// Refused, because the recovered address is some other; which one is of no interest.
    function _refuseTail(bytes memory tail) private {
        vm.expectPartialRevert(IPermitGuard.PermitGuard_PermitNotBySigner.selector);
        _execute(_payment, bytes.concat(_peopleSign(_payHash), tail));
        assertEq(vault.nonce(), 0);
    }

    function _notBySigner(address recovered) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IPermitGuard.PermitGuard_PermitNotBySigner.selector, recovered, permitSigner
        );
    }

    function _length(uint256 length) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IPermitGuard.PermitGuard_SignaturesLength.selector, length, 2 * 65 + 81
        );
    }
}
