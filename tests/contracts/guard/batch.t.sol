// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardManager} from "@safe-global/safe-smart-account/contracts/interfaces/IGuardManager.sol";
import {IPermitGuard} from "contracts/interfaces/IPermitGuard.sol";
import {CanonicalBatch} from "contracts/libraries/CanonicalBatch.sol";
import {IMultiSend, SafeTx, VaultFixture} from "tests/contracts/fixtures/VaultFixture.sol";

/// Rule 4: what MultiSendCallOnly executes is what the guard has read.
contract BatchTest is VaultFixture {
    function test_ABatchOfPaymentsPaysAndCountsAll() public {
        bytes memory items = bytes.concat(
            _item(_native(payee, 2 ether)),
            _item(_transfer(payee, 5e6)),
            _item(_native(payee, 3 ether))
        );
        _pay(_batch(items));
        assertEq(payee.balance, 5 ether);
        assertEq(dollar.balanceOf(payee), 5e6);
        (,, uint256 spentWei) = guard.limitOf(address(vault), NATIVE);
        (,, uint256 spentUnits) = guard.limitOf(address(vault), address(dollar));
        assertEq(spentWei, 5 ether);
        assertEq(spentUnits, 5e6);
    }

    /// Rule 9 in a batch: each item is counted before the next is judged.
    function test_TheItemsTogetherKeepTheLimit() public {
        bytes memory half = _item(_native(payee, ETH_LIMIT / 2));
        _refuse(
            _batch(bytes.concat(half, half, _item(_native(payee, 1)))),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_LimitExceeded.selector, NATIVE, 1, ETH_LIMIT, ETH_LIMIT
            )
        );
        _pay(_batch(bytes.concat(half, half)));
    }

    function test_SixtyFourItemsPassAndNotOneMore() public {
        bytes memory items;
        for (uint256 i = 0; i < 64; ++i) {
            items = bytes.concat(items, _item(_native(payee, 1)));
        }
        _refuse(
            _batch(bytes.concat(items, _item(_native(payee, 1)))),
            abi.encodeWithSelector(IPermitGuard.PermitGuard_BatchTooLong.selector, 64)
        );
        _pay(_batch(items));
        assertEq(payee.balance, 64);
    }

    /// An inner address of zero is the Safe itself, which would take its own guard off.
    function test_AnItemToZeroIsRefused() public {
        bytes memory good = _item(_native(payee, 1));
        bytes memory removal = abi.encodeCall(IGuardManager.setGuard, (address(0)));
        _refuse(_batch(_item(address(0), 0, removal)), _itemError("ItemToZero", 0));
        _refuse(
            _batch(bytes.concat(good, _item(address(0), 0, removal))),
            _itemError("ItemToZero", good.length)
        );
        _refuse(_batch(_item(address(0), 1, "")), _itemError("ItemToZero", 0));
    }

    function testFuzz_AnItemIsACall(uint8 operation) public {
        operation = uint8(bound(operation, 1, 255));
        bytes memory item = _item(_native(payee, 1));
        item[0] = bytes1(operation);
        _refuse(_batch(item), _itemError("ItemIsNotCall", 0));
    }

    function test_AnItemIsAPayment() public {
        address[5] memory places =
            [address(vault), address(guard), address(exitModule), multiSend, stranger];
        for (uint256 i = 0; i < places.length; ++i) {
            _refuse(
                _batch(_item(places[i], 0, hex"01")),
                abi.encodeWithSelector(
                    IPermitGuard.PermitGuard_AssetNotListed.selector, places[i]
                )
            );
            _refuse(
                _batch(_item(places[i], 1, "")),
                abi.encodeWithSelector(
                    IPermitGuard.PermitGuard_DestinationUnknown.selector, places[i]
                )
            );
        }
        bytes memory approval = abi.encodeCall(dollar.approve, (payee, 1));
        bytes memory notTransfer =
            abi.encodePacked(IPermitGuard.PermitGuard_CalldataIsNotTransfer.selector);
        _refuse(_batch(_item(address(dollar), 0, approval)), notTransfer);
        SafeTx memory withValue = _transfer(payee, 1);
        withValue.value = 1;
        _refuse(_batch(_item(withValue)), notTransfer);
        _refuse(
            _batch(_item(payee, 0, "")),
            abi.encodePacked(IPermitGuard.PermitGuard_NothingToPay.selector)
        );
        _refuse(
            _batch(_item(_transfer(stranger, 1))),
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_DestinationUnknown.selector, stranger
            )
        );
    }

    /// The ABI offset points behind a decoy: the guard would read it, MultiSend the other.
    function test_ADecoyAtTheUsualPlaceIsRefused() public {
        bytes memory decoy = _item(_native(payee, 1));
        bytes memory theft = _item(stranger, ETH_START, "");
        SafeTx memory t = _batch("");
        t.data = bytes.concat(
            IMultiSend.multiSend.selector,
            abi.encode(uint256(192), decoy.length, bytes32(0), bytes32(0), bytes32(0)),
            _padded(theft)
        );
        // The decoy stands where a canonical argument would.
        for (uint256 i = 0; i < decoy.length; ++i) {
            t.data[68 + i] = decoy[i];
        }
        _refuse(t, _notCanonical());
    }

    function test_OnlyOneEncodingIsRead() public {
        bytes memory item = _item(_native(payee, 1));
        bytes memory good = abi.encodeCall(IMultiSend.multiSend, (item));
        bytes memory padding = bytes.concat(good);
        padding[good.length - 1] = 0x01;
        bytes memory offset = bytes.concat(good);
        offset[35] = 0x21;
        bytes memory length = bytes.concat(good);
        length[67] = 0xff;
        bytes[8] memory wrong = [
            bytes.concat(good, hex"00"),
            bytes.concat(good, new bytes(32)),
            abi.encodeCall(IMultiSend.multiSend, ("")),
            abi.encodePacked(IMultiSend.multiSend.selector),
            abi.encodeWithSelector(bytes4(0x8d80ff0b), item),
            padding,
            offset,
            length
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            SafeTx memory t = _batch("");
            t.data = wrong[i];
            _refuse(t, _notCanonical());
        }
        _pay(_batch(item));
    }

    function testFuzz_AnyChangedByteOfTheEnvelopeIsRefused(uint256 place, uint8 flip) public {
        bytes memory item = _item(_native(payee, 1));
        SafeTx memory t = _batch(item);
        place = bound(place, 0, t.data.length - item.length - 1);
        if (place >= 68) place += item.length;
        flip = uint8(bound(flip, 1, 255));
        t.data[place] = bytes1(uint8(t.data[place]) ^ flip);
        bytes memory signatures = _signed(t);
        vm.expectRevert();
        _execute(t, signatures);
        assertEq(payee.balance, 0);
    }

    function testFuzz_AnItemEndsWithinTheArgument(uint256 cut, uint256 length) public {
        bytes memory good = _item(_native(payee, 1));
        bytes memory two = bytes.concat(good, _item(_transfer(payee, 1)));
        cut = bound(cut, 1, two.length - good.length - 1);
        bytes memory shorter = new bytes(two.length - cut);
        for (uint256 i = 0; i < shorter.length; ++i) {
            shorter[i] = two[i];
        }
        _refuse(_batch(shorter), _itemError("ItemIsCutOff", good.length));
        // A length that wraps around would lead MultiSend elsewhere.
        length = bound(length, 69, type(uint256).max);
        bytes memory wrapped = bytes.concat(
            abi.encodePacked(uint8(0), address(dollar), uint256(0), length),
            abi.encodeCall(dollar.transfer, (payee, 1))
        );
        _refuse(_batch(wrapped), _itemError("ItemIsCutOff", 0));
    }

    function test_ABatchCarriesNoValueOfItsOwn() public {
        SafeTx memory t = _batch(_item(_native(payee, 1)));
        t.value = 1;
        _refuse(
            t,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_DelegatecallRefused.selector, multiSend
            )
        );
    }

    /// Called instead of delegatecalled it is nothing that a vault does.
    function test_MultiSendIsNotCalled() public {
        SafeTx memory t = _batch(_item(_native(payee, 1)));
        t.operation = 0;
        _refuse(
            t,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ChangeNotAnnounced.selector, _changeHash(t)
            )
        );
        _announce(t);
        _refuse(
            t,
            abi.encodeWithSelector(
                IPermitGuard.PermitGuard_ChangeMovesMoney.selector, multiSend, 0
            )
        );
    }

    function test_TheGuardPinsMultiSendsOfficialCode() public {
        assertEq(guard.multiSendCallOnly(), multiSend);
        assertEq(multiSend.codehash, CanonicalBatch.CODE_HASH);
        bytes memory arguments = abi.encode(exitModule, address(dollar));
        bytes memory creation = bytes.concat(vm.getCode("PermitGuard.sol:PermitGuard"), arguments);
        (bool made,) = DEPLOYER.call(bytes.concat(bytes32(0), creation));
        assertFalse(made, "a guard with another MultiSend");
        arguments = abi.encode(stranger, multiSend);
        creation = bytes.concat(vm.getCode("PermitGuard.sol:PermitGuard"), arguments);
        (made,) = DEPLOYER.call(bytes.concat(bytes32(0), creation));
        assertFalse(made, "a guard without an exit");
    }

    function _padded(bytes memory payload) private pure returns (bytes memory) {
        return bytes.concat(
            bytes32(payload.length), payload, new bytes((32 - payload.length % 32) % 32)
        );
    }

    function _notCanonical() private pure returns (bytes memory) {
        return abi.encodePacked(CanonicalBatch.CanonicalBatch_NotCanonical.selector);
    }

    function _itemError(string memory name, uint256 position) private pure returns (bytes memory) {
        string memory signature = string.concat("CanonicalBatch_", name, "(uint256)");
        return abi.encodeWithSignature(signature, position);
    }
}
