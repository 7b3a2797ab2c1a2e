// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";

/// @title What is signed for the guard, and the hash of what is announced to it.
abstract contract GuardDigests is IPermitGuard {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant PERMIT_TYPEHASH = keccak256(
        "Permit(address safe,bytes32 safeTxHash,uint64 policyVersion,uint64 validUntil)"
    );
    bytes32 private constant UNFREEZE_TYPEHASH = keccak256("Unfreeze(address safe,uint256 count)");
    bytes32 private constant NAME_HASH = keccak256("StrongroomGuard");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// @inheritdoc IPermitGuard
    /// @dev Computed each time: the bytecode is then the same on every chain.
    function domainSeparator() public view returns (bytes32 separator) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this))
        );
    }

    /// @inheritdoc IPermitGuard
    function permitDigest(
        address safe,
        bytes32 safeTxHash,
        uint64 policyVersion,
        uint64 validUntil
    ) public view returns (bytes32 digest) {
        return MessageHashUtils.toTypedDataHash(
            domainSeparator(),
            keccak256(abi.encode(PERMIT_TYPEHASH, safe, safeTxHash, policyVersion, validUntil))
        );
    }

    /// @inheritdoc IPermitGuard
    function unfreezeDigest(address safe, uint256 count) public view returns (bytes32 digest) {
        return MessageHashUtils.toTypedDataHash(
            domainSeparator(), keccak256(abi.encode(UNFREEZE_TYPEHASH, safe, count))
        );
    }

    /// @inheritdoc IPermitGuard
    function changeHash(address to, uint256 value, bytes calldata data, uint8 operation)
        public
        pure
        returns (bytes32 hash)
    {
        return keccak256(abi.encode(to, value, keccak256(data), operation));
    }
}
