// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ILogAnchor} from "contracts/interfaces/ILogAnchor.sol";
import {SafeFixture} from "tests/contracts/fixtures/SafeFixture.sol";

/// Writers, officers and strangers in random order; judges each checkpoint when it is put down.
contract AnchorHandler is Test {
    ILogAnchor private immutable ANCHOR;
    uint256[] private _officerKeys;
    uint256 private immutable STRANGER_KEY;
    uint64 public epoch = 1;
    uint64 public size;
    address public writer;
    uint256 public anchored;
    uint256 public replaced;
    uint256 public wrongs;

    constructor(ILogAnchor anchor, uint256[] memory officerKeys, uint256 strangerKey) {
        ANCHOR = anchor;
        _officerKeys = officerKeys;
        STRANGER_KEY = strangerKey;
        writer = anchor.writer();
    }

    function put(bool byWriter, uint64 epoch_, uint64 size_, bytes32 root) external {
        epoch_ = uint64(bound(epoch_, epoch == 0 ? 0 : epoch - 1, epoch + 1));
        size_ = uint64(bound(size_, size < 50 ? 0 : size - 50, size + 100));
        bool right = byWriter && epoch_ == epoch && size_ > size;
        vm.prank(byWriter ? writer : address(this));
        try ANCHOR.anchor(epoch_, size_, root) {
            if (!right) ++wrongs;
            size = size_;
            ++anchored;
        } catch {
            if (right) ++wrongs;
        }
    }

    function replace(uint256 officers, bool stranger, uint64 epoch_, uint256 who) external {
        officers = bound(officers, 1, 3);
        epoch_ = uint64(bound(epoch_, epoch - 1, epoch + 3));
        address next = vm.addr(bound(who, 1, 1_000));
        bytes32 digest = ANCHOR.replaceDigest(next, epoch_);
        bytes memory signatures;
        for (uint256 i = 0; i < officers; ++i) {
            bool last = stranger && i + 1 == officers;
            uint256 key = last ? STRANGER_KEY : _officerKeys[i];
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
            signatures = abi.encodePacked(signatures, r, s, v);
        }
        bool right = officers == 2 && !stranger && epoch_ > epoch;
        try ANCHOR.replaceWriter(next, epoch_, signatures) {
            if (!right) ++wrongs;
            (epoch, size, writer) = (epoch_, 0, next);
            ++replaced;
        } catch {
            if (right) ++wrongs;
        }
    }
}

/// The numbers are those of README.md beside this file.
contract AnchorInvariants is SafeFixture {
    ILogAnchor private _anchor;
    AnchorHandler private _handler;

    function setUp() public override {
        _makePeople(3);
        (, uint256 strangerKey) = makeAddrAndKey("stranger");
        bytes memory arguments = abi.encode(people, 2, makeAddr("writer"));
        bytes memory creation = bytes.concat(vm.getCode("LogAnchor.sol:LogAnchor"), arguments);
        _anchor = ILogAnchor(_deploy(creation));
        _handler = new AnchorHandler(_anchor, peopleKeys, strangerKey);
        targetContract(address(_handler));
    }

    /// L1: the handler lets (epoch, size) only rise, and the contract agrees with it.
    function invariant_TheAnchorIsMonotone() public view {
        (uint64 epoch, uint64 size,) = _anchor.last();
        assertEq(epoch, _handler.epoch());
        assertEq(size, _handler.size());
        assertEq(_handler.wrongs(), 0, "a checkpoint or a replacement went wrong");
    }

    /// L2
    function invariant_TheWriterIsWhoTheOfficersNamed() public view {
        assertEq(_anchor.writer(), _handler.writer());
    }

    function test_TheHandlerReachesAnchorsAndReplacements() public {
        _handler.put(true, 1, 10, 0);
        _handler.put(true, 1, 10, 0);
        _handler.put(false, 1, 11, 0);
        _handler.replace(1, false, 2, 5);
        _handler.replace(2, true, 2, 5);
        _handler.replace(2, false, 2, 5);
        _handler.put(true, 2, 1, 0);
        assertEq(_handler.anchored(), 2);
        assertEq(_handler.replaced(), 1);
        invariant_TheAnchorIsMonotone();
        invariant_TheWriterIsWhoTheOfficersNamed();
    }
}
