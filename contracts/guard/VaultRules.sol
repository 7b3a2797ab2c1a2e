// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GuardDigests} from "contracts/guard/GuardDigests.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {CanonicalBatch} from "contracts/libraries/CanonicalBatch.sol";
import {RollingLimit} from "contracts/libraries/RollingLimit.sol";
import {RunningTransaction} from "contracts/libraries/RunningTransaction.sol";

/// @title What each vault may do: assets and limits, destinations, announced changes, freezers.
/// @notice The guard's memory and the calls by which a vault changes its own rules. Who calls is
/// the vault whose rules they are.
abstract contract VaultRules is GuardDigests {
    using RollingLimit for RollingLimit.Asset;

    /// How long an announced destination cools before it can be paid.
    uint256 public constant COOLING_SECONDS = 1 days;
    /// How long an announced change waits.
    uint256 public constant CHANGE_DELAY_SECONDS = 2 days;
    /// How long it is usable from then on.
    uint256 public constant CHANGE_LIFE_SECONDS = 14 days;
    uint256 public constant FREEZERS_MAX = 16;
    /// Where a token stands, the native coin stands as address zero.
    address internal constant NATIVE = address(0);

    /// @inheritdoc IPermitGuard
    address public immutable exitModule;
    /// @inheritdoc IPermitGuard
    address public immutable multiSendCallOnly;

    mapping(address safe => Vault) internal _vaults;
    mapping(address safe => mapping(address token => RollingLimit.Asset)) private _assets;
    mapping(address safe => mapping(address destination => uint256)) private _usableFrom;
    mapping(address safe => mapping(bytes32 hash => uint256)) private _changes;
    mapping(address safe => address[]) private _freezers;

    constructor(address exitModule_, address multiSendCallOnly_) {
        if (exitModule_.code.length == 0) revert PermitGuard_ContractHasNoCode(exitModule_);
        if (multiSendCallOnly_.codehash != CanonicalBatch.CODE_HASH) {
            revert PermitGuard_DelegatecallRefused(multiSendCallOnly_);
        }
        exitModule = exitModule_;
        multiSendCallOnly = multiSendCallOnly_;
    }

    /// @inheritdoc IPermitGuard
    function announce(bytes32 hash) external {
        _checkRunning();
        uint256 known = _changes[msg.sender][hash];
        if (known != 0 && block.timestamp <= known + CHANGE_LIFE_SECONDS) {
            revert PermitGuard_ChangeKnown(hash);
        }
        uint256 time = block.timestamp + CHANGE_DELAY_SECONDS;
        _changes[msg.sender][hash] = time;
        emit ChangeAnnounced(msg.sender, hash, time);
    }

    /// @inheritdoc IPermitGuard
    function cancel(bytes32 hash) external {
        _checkRunning();
        if (_changes[msg.sender][hash] == 0) revert PermitGuard_ChangeNotAnnounced(hash);
        delete _changes[msg.sender][hash];
        emit ChangeCancelled(msg.sender, hash);
    }

    /// @inheritdoc IPermitGuard
    function announceDestination(address destination) external {
        _checkRunning();
        _allow(destination, block.timestamp + COOLING_SECONDS);
    }

    /// @inheritdoc IPermitGuard
    function revokeDestination(address destination) external {
        _checkRunning();
        if (_usableFrom[msg.sender][destination] == 0) {
            revert PermitGuard_DestinationUnknown(destination);
        }
        delete _usableFrom[msg.sender][destination];
        emit DestinationRevoked(msg.sender, destination);
    }

    /// @inheritdoc IPermitGuard
    function lowerLimit(address token, uint128 dayUnits) external {
        _checkRunning();
        RollingLimit.Asset storage asset = _assets[msg.sender][token];
        if (!asset.listed) revert PermitGuard_AssetNotListed(token);
        if (dayUnits >= asset.dayUnits) {
            revert PermitGuard_LimitNotLower(token, dayUnits, asset.dayUnits);
        }
        _setLimit(token, dayUnits);
    }

    /// @inheritdoc IPermitGuard
    function setLimit(address token, uint128 dayUnits) external {
        _checkInChange();
        _setLimit(token, dayUnits);
    }

    /// @inheritdoc IPermitGuard
    function setPermitSigner(address permitSigner) external {
        _checkInChange();
        _setPermitSigner(permitSigner);
    }

    /// @inheritdoc IPermitGuard
    function setFreezers(address[] calldata freezers) external {
        _checkInChange();
        _setFreezers(freezers);
    }

    /// @inheritdoc IPermitGuard
    function vaultOf(address safe) external view returns (Vault memory vault) {
        return _vaults[safe];
    }

    /// @inheritdoc IPermitGuard
    function isTokenAllowed(address safe, address token) external view returns (bool allowed) {
        return _assets[safe][token].listed;
    }

    /// @inheritdoc IPermitGuard
    function limitOf(address safe, address token)
        external
        view
        returns (bool listed, uint128 dayUnits, uint256 spentUnits)
    {
        RollingLimit.Asset storage asset = _assets[safe][token];
        return (asset.listed, asset.dayUnits, asset.spentUnits(block.timestamp));
    }

    /// @inheritdoc IPermitGuard
    function usableFrom(address safe, address destination) external view returns (uint256 time) {
        return _usableFrom[safe][destination];
    }

    /// @inheritdoc IPermitGuard
    function changeUsableFrom(address safe, bytes32 hash) external view returns (uint256 time) {
        return _changes[safe][hash];
    }

    /// @inheritdoc IPermitGuard
    function freezersOf(address safe) external view returns (address[] memory freezers) {
        return _freezers[safe];
    }

    /// Puts `destination` on the caller's allowlist, once.
    function _allow(address destination, uint256 time) internal {
        if (destination == address(0) || _isPartOfVault(destination) || _isListed(destination)) {
            revert PermitGuard_DestinationNotAllowable(destination);
        }
        if (_usableFrom[msg.sender][destination] != 0) {
            revert PermitGuard_DestinationKnown(destination);
        }
        _usableFrom[msg.sender][destination] = time;
        emit DestinationAnnounced(msg.sender, destination, time);
    }

    /// Lists `token` for the caller, or changes its limit. What is paid to a token's own contract
    /// is lost, so no destination becomes an asset.
    function _setLimit(address token, uint128 dayUnits) internal {
        RollingLimit.Asset storage asset = _assets[msg.sender][token];
        if (!asset.listed) {
            if (_isPartOfVault(token) || _usableFrom[msg.sender][token] != 0) {
                revert PermitGuard_AssetNotAllowable(token);
            }
            if (token != NATIVE && token.code.length == 0) {
                revert PermitGuard_ContractHasNoCode(token);
            }
            asset.listed = true;
        }
        asset.dayUnits = dayUnits;
        emit LimitSet(msg.sender, token, dayUnits);
    }

    function _setPermitSigner(address permitSigner) internal {
        if (permitSigner == address(0)) revert PermitGuard_PermitSignerIsZero();
        _vaults[msg.sender].permitSigner = permitSigner;
        emit PermitSignerSet(msg.sender, permitSigner);
    }

    function _setFreezers(address[] calldata freezers) internal {
        if (freezers.length > FREEZERS_MAX) {
            revert PermitGuard_TooManyFreezers(freezers.length, FREEZERS_MAX);
        }
        address last;
        for (uint256 i = 0; i < freezers.length; ++i) {
            if (freezers[i] <= last) revert PermitGuard_FreezersNotAscending(freezers[i]);
            last = freezers[i];
        }
        _freezers[msg.sender] = freezers;
        emit FreezersSet(msg.sender, freezers);
    }

    /// Takes an announced change of the caller off the list, if its time has come.
    function _useChange(bytes32 hash) internal {
        uint256 time = _changes[msg.sender][hash];
        if (time == 0) revert PermitGuard_ChangeNotAnnounced(hash);
        if (block.timestamp < time) revert PermitGuard_ChangeTooEarly(hash, time);
        if (block.timestamp > time + CHANGE_LIFE_SECONDS) {
            revert PermitGuard_ChangeExpired(hash, time + CHANGE_LIFE_SECONDS);
        }
        delete _changes[msg.sender][hash];
        emit ChangeUsed(msg.sender, hash);
    }

    /// Counts a payment of the caller, if destination and limit allow it.
    function _spend(address token, address destination, uint256 units) internal {
        // Check
        if (units == 0) revert PermitGuard_NothingToPay();
        uint256 time = _usableFrom[msg.sender][destination];
        if (time == 0) revert PermitGuard_DestinationUnknown(destination);
        if (block.timestamp < time) revert PermitGuard_DestinationCooling(destination, time);
        RollingLimit.Asset storage asset = _assets[msg.sender][token];
        if (!asset.listed) revert PermitGuard_AssetNotListed(token);
        uint256 limit = asset.dayUnits;
        uint256 spentUnits = asset.spentUnits(block.timestamp);
        if (units > limit || spentUnits > limit - units) {
            revert PermitGuard_LimitExceeded(token, units, spentUnits, limit);
        }

        // Effect
        asset.count(uint128(units), block.timestamp);
    }

    function _isAnnounced(bytes32 hash) internal view returns (bool) {
        return _changes[msg.sender][hash] != 0;
    }

    function _isListed(address token) internal view returns (bool) {
        return _assets[msg.sender][token].listed;
    }

    function _isFreezer(address safe, address caller) internal view returns (bool found) {
        address[] storage freezers = _freezers[safe];
        for (uint256 i = 0; i < freezers.length && !found; ++i) {
            found = freezers[i] == caller;
        }
    }

    /// Whether rules of their own hold for `place`: it can be neither destination nor asset.
    function _isPartOfVault(address place) private view returns (bool) {
        return place == msg.sender || place == address(this) || place == exitModule
            || place == multiSendCallOnly;
    }

    function _checkRunning() private view {
        if (RunningTransaction.hashOf(msg.sender) == bytes32(0)) {
            revert PermitGuard_NotRunning(bytes32(0));
        }
    }

    function _checkInChange() private view {
        if (!RunningTransaction.isChange(msg.sender)) revert PermitGuard_OnlyInChange();
    }
}
