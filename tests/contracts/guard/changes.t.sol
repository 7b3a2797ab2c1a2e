// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISafe} from "@safe-global/safe-smart-account/contracts/interfaces/ISafe.sol";
import {Enum} from "@safe-global/safe-smart-account/contracts/libraries/Enum.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {CanonicalBatch} from "contracts/libraries/CanonicalBatch.sol";
import {SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

/// Rule 6: a change of the vault passes as an announced hash, late, once.
contract ChangesTest is VaultFixture {
    SafeTx private _newSigner;
    bytes32 private _newSignerHash;

    function setUp() public override {
        super.setUp();
        _newSigner = _call(address(guard), abi.encodeCall(IPermitGuard.setPermitSigner, (stranger)));
        _newSignerHash = _changeHash(_newSigner);
    }

    function test_AChangeHashCommitsToTheWholeCall() public view {
        assertEq(
            guard.changeHash(payee, 7, hex"0102", 1),
            keccak256(abi.encode(payee, uint256(7), keccak256(hex"0102"), uint256(1)))
        );
    }

    function test_AChangeWaitsToTheSecond() public {
        uint256 usable = START + 2 days;
        vm.expectEmit(address(guard));
        emit IPermitGuard.ChangeAnnounced(address(vault), _newSignerHash, usable);
        _pay(_announcement(_newSigner));
        assertEq(guard.changeUsableFrom(address(vault), _newSignerHash), usable);
        bytes memory tooEarly = abi.encodeWithSelector(
            IPermitGuard.PermitGuard_ChangeTooEarly.selector, _newSignerHash, usable
        );
        _refuse(_newSigner, tooEarly);
        vm.warp(usable - 1);
        _refuse(_newSigner, tooEarly);
        _refuse(
            _announcement(_newSigner),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ChangeKnown.selector, _newSignerHash
            )
        );
        vm.warp(usable);
        vm.expectEmit(address(guard));
        emit IPermitGuard.ChangeUsed(address(vault), _newSignerHash);
        vm.expectEmit(address(guard));
        emit IPermitGuard.PermitSignerSet(address(vault), stranger);
        _pay(_newSigner);
        assertEq(guard.vaultOf(address(vault)).permitSigner, stranger);
    }

    function test_AChangeExpiresToTheSecond() public {
        _announce(_newSigner);
        uint256 last = vm.getBlockTimestamp() + 14 days;
        vm.warp(last + 1);
        _refuse(
            _newSigner,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ChangeExpired.selector, _newSignerHash, last
            )
        );
        vm.warp(last);
        _refuse(
            _announcement(_newSigner),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ChangeKnown.selector, _newSignerHash
            )
        );
        uint256 snapshot = vm.snapshotState();
        _pay(_newSigner);
        vm.revertToState(snapshot);
        vm.warp(last + 1);
        _announce(_newSigner);
        _pay(_newSigner);
    }

    /// A freeze neither stops the clock of a change nor revives what has expired.
    function test_AnExpiredChangeIsDeadFrozenOrNot() public {
        _announce(_newSigner);
        uint256 last = vm.getBlockTimestamp() + 14 days;
        vm.warp(last - 1 days);
        vm.prank(freezer);
        guard.freeze(address(vault));
        uint256 frozen = guard.frozenUntil(address(vault));
        vm.warp(last + 1);
        _refuse(
            _newSigner, abi.encodeWithSelector(IPermitGuard.PermitGuard_Frozen.selector, frozen)
        );
        bytes memory expired = abi.encodeWithSelector(
            IPermitGuard.PermitGuard_ChangeExpired.selector, _newSignerHash, last
        );
        uint256 snapshot = vm.snapshotState();
        guard.unfreeze(
            address(vault), _signatures(2, guard.unfreezeDigest(address(vault), 1))
        );
        _refuse(_newSigner, expired);
        vm.revertToState(snapshot);
        vm.warp(frozen);
        _refuse(_newSigner, expired);
    }

    /// In one and the same transaction: the setters close when the change has ended.
    function test_TheSettersCloseWithTheChange() public {
        _change(_newSigner);
        vm.startPrank(address(vault));
        vm.expectRevert(IPermitGuard.PermitGuard_OnlyInChange.selector);
        guard.setLimit(NATIVE, type(uint128).max);
        vm.expectRevert(
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotRunning.selector, bytes32(0))
        );
        guard.lowerLimit(NATIVE, 0);
    }

    function test_AChangeIsUsedOnce() public {
        SafeTx memory freezers =
            _call(address(guard), abi.encodeCall(IPermitGuard.setFreezers, (_list(stranger))));
        _change(freezers);
        _refuse(freezers, _notAnnounced(freezers));
        _change(freezers);
    }

    function test_ACancelledChangeIsDead() public {
        _announce(_newSigner);
        SafeTx memory cancellation =
            _call(address(guard), abi.encodeCall(IPermitGuard.cancel, (_newSignerHash)));
        vm.expectEmit(address(guard));
        emit IPermitGuard.ChangeCancelled(address(vault), _newSignerHash);
        _pay(cancellation);
        _refuse(_newSigner, _notAnnounced(_newSigner));
        _refuse(cancellation, _notAnnounced(_newSigner));
    }

    function testFuzz_OnlyTheAnnouncedCallPasses(uint8 which, uint256 other) public {
        _announce(_newSigner);
        SafeTx memory changed = _newSigner;
        which = uint8(bound(which, 0, 2));
        other = bound(other, 1, type(uint128).max);
        if (which == 0) changed.data[35] ^= bytes1(uint8(1 + other % 255));
        if (which == 1) changed.value = other;
        if (which == 2) changed.to = address(uint160(other));
        vm.assume(changed.to != address(dollar));
        _refuse(changed, _notAnnounced(changed));
        changed.operation = 1;
        bytes memory signatures = _signed(changed);
        vm.expectRevert();
        _execute(changed, signatures);
    }

    function test_AFailedChangeIsNotUsedUp() public {
        SafeTx memory remove = _call(
            address(vault),
            abi.encodeWithSignature(
                "removeOwner(address,address,uint256)", address(1), stranger, 2
            )
        );
        _announce(remove);
        _refuse(remove, bytes("GS205"));
        assertEq(
            guard.changeUsableFrom(address(vault), _changeHash(remove)), vm.getBlockTimestamp()
        );
    }

    /// Money of listed assets leaves by payments only, however long a change was announced.
    function test_AChangeMovesNoMoney() public {
        SafeTx memory paying = _native(stranger, 1 ether);
        _pay(_announcement(paying));
        SafeTx memory calling = _call(stranger, hex"01");
        calling.value = 1;
        _pay(_announcement(calling));
        SafeTx memory token = _transfer(stranger, 1);
        _pay(_announcement(token));
        SafeTx memory approval =
            _call(address(dollar), abi.encodeCall(dollar.approve, (stranger, 1)));
        _pay(_announcement(approval));
        vm.warp(START + 2 days);
        bytes memory unknown = abi.encodeWithSelector(
            IPermitGuard.PermitGuard_DestinationUnknown.selector, stranger
        );
        _refuse(paying, unknown);
        _refuse(token, unknown);
        _refuse(calling, _movesMoney(stranger, 1));
        _refuse(
            approval, abi.encodePacked(IPermitGuard.PermitGuard_CalldataIsNotTransfer.selector)
        );
        SafeTx[4] memory items = [paying, calling, token, approval];
        for (uint256 i = 0; i < 4; ++i) {
            SafeTx memory batch = _batch(bytes.concat(_item(_newSigner), _item(items[i])));
            _announce(batch);
            _refuse(batch, _movesMoney(items[i].to, items[i].value));
        }
        SafeTx memory nested = _batch(_item(multiSend, 0, hex"8d80ff0a"));
        _announce(nested);
        _refuse(nested, _movesMoney(multiSend, 0));
    }

    function test_AChangesBatchIsReadAsExactlyAsAPaymentsBatch() public {
        SafeTx memory toZero = _batch(_item(address(0), 0, _newSigner.data));
        _announce(toZero);
        _refuse(
            toZero,
            abi.encodeWithSelector(CanonicalBatch.CanonicalBatch_ItemToZero.selector, 0)
        );
        SafeTx memory longer = _batch(_item(_newSigner));
        longer.data = bytes.concat(longer.data, hex"00");
        _announce(longer);
        _refuse(longer, abi.encodePacked(CanonicalBatch.CanonicalBatch_NotCanonical.selector));
        SafeTx memory elsewhere = _batch(_item(_newSigner));
        elsewhere.to = stranger;
        _announce(elsewhere);
        _refuse(
            elsewhere,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_DelegatecallRefused.selector, stranger
            )
        );
    }

    /// Any other contract, for what neither a payment nor a setter is.
    function test_AnAnnouncedCallReachesAnotherContract() public {
        SafeTx memory elsewhere = _call(payee, hex"0badcafe");
        _refuse(elsewhere, _notAnnounced(elsewhere));
        _announce(elsewhere);
        vm.expectCall(payee, 0, hex"0badcafe");
        _pay(elsewhere);
    }

    function test_AChangeNeedsPeopleAndPermit() public {
        _announce(_newSigner);
        bytes32 hash = _hash(_newSigner, vault.nonce());
        uint64 until = uint64(vm.getBlockTimestamp());
        bytes memory tail = _tail(peopleKeys[2], hash, POLICY_VERSION, until);
        _refuseSigned(
            _newSigner,
            bytes.concat(_peopleSign(hash), tail),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_PermitNotBySigner.selector, people[2], permitSigner
            )
        );
        tail = _tail(permitKey, hash, POLICY_VERSION, until);
        bytes memory one = bytes.concat(_signature(peopleKeys[0], hash), tail);
        _refuseSigned(_newSigner, one, bytes("GS026"));
    }

    function test_ThePermitSignerIsReplaced() public {
        _change(_newSigner);
        _refuse(
            _native(payee, 1),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_PermitNotBySigner.selector, permitSigner, stranger
            )
        );
        (, permitKey) = makeAddrAndKey("stranger");
        _pay(_native(payee, 1));
        SafeTx memory zero =
            _call(address(guard), abi.encodeCall(IPermitGuard.setPermitSigner, (address(0))));
        _announce(zero);
        _refuse(zero, abi.encodePacked(IPermitGuard.PermitGuard_PermitSignerIsZero.selector));
    }

    function test_TheFreezersAreReplaced() public {
        vm.expectEmit(address(guard));
        emit IPermitGuard.FreezersSet(address(vault), _list(payee));
        this.changeFreezers(payee);
        assertEq(guard.freezersOf(address(vault)), _list(payee));
        vm.prank(freezer);
        vm.expectRevert(
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotFreezer.selector, freezer)
        );
        guard.freeze(address(vault));
    }

    function changeFreezers(address next) external {
        _change(_call(address(guard), abi.encodeCall(IPermitGuard.setFreezers, (_list(next)))));
    }

    function testFuzz_NobodyChangesAnythingFromOutside(address caller, bytes32 hash) public {
        bytes memory notRunning =
            abi.encodeWithSelector(IPermitGuard.PermitGuard_NotRunning.selector, bytes32(0));
        vm.startPrank(caller);
        vm.expectRevert(notRunning);
        guard.announce(hash);
        vm.expectRevert(notRunning);
        guard.cancel(hash);
        vm.expectRevert(IPermitGuard.PermitGuard_OnlyInChange.selector);
        guard.setPermitSigner(caller);
        vm.expectRevert(IPermitGuard.PermitGuard_OnlyInChange.selector);
        guard.setFreezers(_list(caller));
    }

    /// A nested execution in an announced change would leave by the inner one's rules.
    function test_AChangeExecutesNoOtherTransaction() public {
        SafeTx memory inner = _native(payee, 1 ether);
        SafeTx memory outer = _call(address(vault), _execution(inner, vault.nonce() + 2));
        _announce(outer);
        _refuse(
            outer,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_Reentered.selector, _hash(outer, vault.nonce())
            )
        );
    }

    /// The vault plays its own Safe: neither check can be had by a call of the change.
    function test_AChangeCallsNoCheckOfTheGuard() public {
        SafeTx memory pre = _call(
            address(guard),
            abi.encodeWithSignature(
                "checkTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes,address)",
                payee, 1, "", 0, 0, 0, 0, address(0), address(0), "", stranger
            )
        );
        _announce(pre);
        _refuse(
            pre,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_Reentered.selector, _hash(pre, vault.nonce())
            )
        );
        bytes32 wrong = bytes32(uint256(1));
        SafeTx memory post = _call(
            address(guard), abi.encodeWithSignature("checkAfterExecution(bytes32,bool)", wrong, true)
        );
        _announce(post);
        _refuse(
            post, abi.encodeWithSelector(IPermitGuard.PermitGuard_NotRunning.selector, wrong)
        );
    }

    function _execution(SafeTx memory t, uint256 nonce) private view returns (bytes memory) {
        Enum.Operation operation = Enum.Operation(t.operation);
        return abi.encodeCall(
            ISafe.execTransaction,
            (
                t.to,
                t.value,
                t.data,
                operation,
                0,
                0,
                0,
                address(0),
                payable(address(0)),
                _signedAt(t, nonce)
            )
        );
    }

    function _movesMoney(address to, uint256 value) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IPermitGuard.PermitGuard_ChangeMovesMoney.selector, to, value
        );
    }

    function _notAnnounced(SafeTx memory t) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IPermitGuard.PermitGuard_ChangeNotAnnounced.selector, _changeHash(t)
        );
    }
}
