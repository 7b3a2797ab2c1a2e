// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFallbackManager} from "@safe-global/safe-smart-account/contracts/interfaces/IFallbackManager.sol";
import {IGuardManager} from "@safe-global/safe-smart-account/contracts/interfaces/IGuardManager.sol";
import {IModuleManager} from "@safe-global/safe-smart-account/contracts/interfaces/IModuleManager.sol";
import {IOwnerManager} from "@safe-global/safe-smart-account/contracts/interfaces/IOwnerManager.sol";
import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

/// A guard that has not recorded the vault as it is.
contract WrongRecord {
    IPermitGuard.Vault private _vault;

    constructor(IPermitGuard.Vault memory vault) {
        _vault = vault;
    }

    function vaultOf(address) external view returns (IPermitGuard.Vault memory) {
        return _vault;
    }

    function supportsInterface(bytes4) external pure returns (bool) {
        return true;
    }
}

/// What an announced change may leave behind: other people, or one successor in both places.
contract SuccessionTest is VaultFixture {
    IPermitGuard private _next;

    function setUp() public override {
        super.setUp();
        bytes memory arguments = abi.encode(exitModule, multiSend);
        bytes memory creation = bytes.concat(vm.getCode("PermitGuard.sol:PermitGuard"), arguments);
        // The same code at another address, as a later version would stand.
        (bool made, bytes memory answer) = DEPLOYER.call(bytes.concat(bytes32(uint256(1)), creation));
        require(made, "no second guard");
        _next = IPermitGuard(address(bytes20(answer)));
    }

    function test_PeopleChangeByAnAnnouncedChange() public {
        (address person, uint256 key) = makeAddrAndKey("somebody new");
        SafeTx memory swap = _call(
            address(vault),
            abi.encodeCall(IOwnerManager.swapOwner, (address(1), vault.getOwners()[0], person))
        );
        _announce(swap);
        address gone = vault.getOwners()[0];
        vm.expectEmit(true, false, false, false, address(guard));
        emit IPermitGuard.PeopleChanged(address(vault), bytes32(0));
        _pay(swap);
        assertEq(
            guard.vaultOf(address(vault)).peopleHash,
            keccak256(abi.encode(vault.getOwners(), uint256(2)))
        );
        // Who has gone signs nothing any more; who came does.
        SafeTx memory payment = _native(payee, 1);
        assertEq(gone, people[0]);
        _refuse(payment, bytes("GS026"));
        (people[0], peopleKeys[0]) = (person, key);
        if (people[0] > people[1]) {
            (people[0], people[1]) = (people[1], people[0]);
            (peopleKeys[0], peopleKeys[1]) = (peopleKeys[1], peopleKeys[0]);
        }
        _pay(payment);
    }

    function test_TheThresholdChangesByAnAnnouncedChange() public {
        _change(_call(address(vault), abi.encodeCall(IOwnerManager.changeThreshold, (1))));
        assertEq(
            guard.vaultOf(address(vault)).peopleHash,
            keccak256(abi.encode(vault.getOwners(), uint256(1)))
        );
        SafeTx memory payment = _native(payee, 1);
        bytes32 hash = _hash(payment, vault.nonce());
        bytes memory tail =
            _tail(permitKey, hash, POLICY_VERSION, uint64(vm.getBlockTimestamp()));
        assertTrue(_execute(payment, bytes.concat(_signature(peopleKeys[1], hash), tail)));
    }

    /// Nor does an announced change touch what only the birth of a vault decides.
    function test_AChangeLeavesHandlerAndModulesAlone() public {
        SafeTx memory handler = _call(
            address(vault), abi.encodeCall(IFallbackManager.setFallbackHandler, (address(dollar)))
        );
        _announce(handler);
        _refuse(
            handler,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_FallbackHandlerSet.selector, address(dollar)
            )
        );
        bytes[2] memory modules = [
            abi.encodeCall(IModuleManager.enableModule, (stranger)),
            abi.encodeCall(IModuleManager.disableModule, (address(1), address(exitModule)))
        ];
        for (uint256 i = 0; i < 2; ++i) {
            SafeTx memory change = _call(address(vault), modules[i]);
            _announce(change);
            _refuse(change, abi.encodePacked(IPermitGuard.PermitGuard_ModulesChanged.selector));
        }
    }

    /// Rule 6: the guard is not taken off, also not by what was announced.
    function test_TheGuardIsNotTakenOffByAChange() public {
        SafeTx memory one = _setGuard(address(0));
        SafeTx memory other = _setModuleGuard(address(0));
        bytes memory noGuard =
            abi.encodeWithSelector(IPermitGuard.PermitGuard_GuardRemoved.selector, address(0));
        bytes memory noModuleGuard = abi.encodeWithSelector(
            IPermitGuard.PermitGuard_ModuleGuardRemoved.selector, address(0)
        );
        _announce(one);
        _refuse(one, noGuard);
        _announce(other);
        _refuse(other, noModuleGuard);
        SafeTx memory both = _batch(bytes.concat(_item(other), _item(one)));
        _announce(both);
        _refuse(both, noGuard);
    }

    function test_OneSuccessorStandsInBothPlaces() public {
        SafeTx memory half = _batch(bytes.concat(_item(_setGuard(address(_next)))));
        _announce(half);
        _refuse(
            half,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ModuleGuardRemoved.selector, address(guard)
            )
        );
        half = _setModuleGuard(address(_next));
        _announce(half);
        _refuse(
            half,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ModuleGuardRemoved.selector, address(_next)
            )
        );
    }

    function test_ASuccessorHasRecordedTheVault() public {
        bytes memory slots = bytes.concat(
            _item(_setModuleGuard(address(_next))), _item(_setGuard(address(_next)))
        );
        bytes memory why = abi.encodeWithSelector(
            IPermitGuard.PermitGuard_GuardRemoved.selector, address(_next)
        );
        SafeTx memory unconfigured = _batch(slots);
        _announce(unconfigured);
        _refuse(unconfigured, why);
        // Configured, and then the people changed: the successor would refuse every payment.
        SafeTx memory threshold =
            _call(address(vault), abi.encodeCall(IOwnerManager.changeThreshold, (1)));
        SafeTx memory stale = _batch(
            bytes.concat(slots, _item(_configuration(stranger)), _item(threshold))
        );
        _announce(stale);
        _refuse(stale, why);
    }

    function test_ASuccessorsRecordIsTrueInEachPart() public {
        for (uint256 i = 0; i < 4; ++i) {
            IPermitGuard.Vault memory wrong = guard.vaultOf(address(vault));
            if (i == 0) wrong.permitSigner = address(0);
            if (i == 1) wrong.singleton = stranger;
            if (i == 2) wrong.peopleHash = bytes32(0);
            address successor = address(new WrongRecord(wrong));
            SafeTx memory change = _batch(
                bytes.concat(
                    _item(_setModuleGuard(successor)), _item(_setGuard(successor))
                )
            );
            _announce(change);
            if (i == 3) {
                _pay(change);
                continue;
            }
            _refuse(
                change,
                abi.encodeWithSelector(IPermitGuard.PermitGuard_GuardRemoved.selector, successor)
            );
        }
    }

    function test_ASuccessorTakesOver() public {
        (address nextSigner, uint256 nextKey) = makeAddrAndKey("next permit signer");
        SafeTx memory change = _succession(nextSigner);
        _announce(change);
        vm.expectEmit(address(guard));
        emit IPermitGuard.GuardSucceeded(address(vault), address(_next));
        _pay(change);
        assertEq(guard.vaultOf(address(vault)).permitSigner, address(0));
        assertEq(_next.vaultOf(address(vault)).permitSigner, nextSigner);
        SafeTx memory payment = _native(payee, 1);
        vm.expectPartialRevert(IPermitGuard.PermitGuard_PermitNotBySigner.selector);
        this.execute(payment);
        guard = _next;
        permitKey = nextKey;
        _pay(payment);
        // The exit is the successor's, too.
        vm.prank(address(vault));
        assertEq(address(_next.exitModule()), address(exitModule));
    }

    /// A guard that was followed by another is finished for that vault.
    function test_AVaultDoesNotGoBackToAnEarlierGuard() public {
        IPermitGuard first = guard;
        (address nextSigner, uint256 nextKey) = makeAddrAndKey("next permit signer");
        _change(_succession(nextSigner));
        (guard, _next, permitKey) = (_next, first, nextKey);
        SafeTx memory back = _batch(
            bytes.concat(
                _item(_setModuleGuard(address(first))), _item(_setGuard(address(first)))
            )
        );
        _announce(back);
        _refuse(
            back,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_GuardRemoved.selector, address(first)
            )
        );
        vm.prank(address(vault));
        vm.expectRevert(
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_AlreadyConfigured.selector, address(vault)
            )
        );
        first.configure(nextSigner, _limits(), _list(payee), _list(freezer));
    }

    /// An existing Safe with a history comes here by one batch of its own.
    function test_AnExistingSafeIsTakenIn() public {
        bytes memory initializer = abi.encodeCall(
            ISafe.setup,
            (people, 2, address(0), "", address(dollar), address(0), 0, payable(address(0)))
        );
        vault = ISafe(payable(factory.createProxyWithNonce(safeL2, initializer, 77)));
        vm.deal(address(vault), 3 ether);
        SafeTx memory before = _native(stranger, 1 ether);
        assertTrue(_execute(before, _peopleSign(_hash(before, 0))));
        SafeTx memory adoption = _batch(
            bytes.concat(
                _item(
                    address(vault), 0, abi.encodeCall(IFallbackManager.setFallbackHandler, (NATIVE))
                ),
                _item(
                    address(vault),
                    0,
                    abi.encodeCall(IModuleManager.enableModule, (address(exitModule)))
                ),
                _item(_setModuleGuard(address(guard))),
                _item(_setGuard(address(guard))),
                _item(_configurationAt(guard, permitSigner))
            )
        );
        assertTrue(_execute(adoption, _peopleSign(_hash(adoption, 1))));
        assertEq(guard.vaultOf(address(vault)).permitSigner, permitSigner);
        _refuse(
            _native(stranger, 1),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_DestinationUnknown.selector, stranger
            )
        );
        _pay(_native(payee, 1));
    }

    function execute(SafeTx memory t) external {
        _execute(t, _signed(t));
    }

    function _succession(address nextSigner) private view returns (SafeTx memory) {
        return _batch(
            bytes.concat(
                _item(_setModuleGuard(address(_next))),
                _item(_setGuard(address(_next))),
                _item(_configuration(nextSigner))
            )
        );
    }

    function _setGuard(address to) private view returns (SafeTx memory) {
        return _call(address(vault), abi.encodeCall(IGuardManager.setGuard, (to)));
    }

    function _setModuleGuard(address to) private view returns (SafeTx memory) {
        return _call(address(vault), abi.encodeCall(IModuleManager.setModuleGuard, (to)));
    }

    function _configuration(address signer) private view returns (SafeTx memory) {
        return _configurationAt(_next, signer);
    }

    function _configurationAt(IPermitGuard at, address signer)
        private
        view
        returns (SafeTx memory)
    {
        return _call(
            address(at),
            abi.encodeCall(
                IPermitGuard.configure, (signer, _limits(), _list(payee), _list(freezer))
            )
        );
    }
}
