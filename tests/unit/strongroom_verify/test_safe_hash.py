"""What a person reads before signing: three digests, plain lines, or a refusal."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_verify.errors import Malformed
from strongroom_verify.main import main
from strongroom_verify.safe_calls import MULTI_SEND_CALL_ONLY, Asset, Call, Reader
from strongroom_verify.typed_data import SAFE_TX, Message, parse

ARBITRUM = "0x111CEEee040739fD91D29C34C33E6B3E112F2177"
ADD_OWNER = (
    "0x0d582f130000000000000000000000000c75fa5a5f1c0997e3eea425cfa13184ed0ec9e5"
    "0000000000000000000000000000000000000000000000000000000000000003"
)
# Published with safe-tx-hashes-util, of transactions that were executed on Arbitrum and Sepolia.
PUBLISHED = [
    (
        (42161, ARBITRUM, ARBITRUM, 0, ADD_OWNER, 0, 0, None, None, 234),
        "1cf7f9b1efe3bc47fe02fd27c649fea19e79d66040683a1c86c7490c80bf7291",
        "d9109ea63c50ecd3b80b6b27ed5c5a9fd3d546c2169dfb69bfa7ba24cd14c7a5",
        "0cb7250b8becd7069223c54e2839feaed4cee156363fbfe5dd0a48e75c4e25b3",
    ),
    (
        (42161, ARBITRUM, ARBITRUM, 1000, ADD_OWNER, 1, 50,
         "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
         "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045", 234),
        "1cf7f9b1efe3bc47fe02fd27c649fea19e79d66040683a1c86c7490c80bf7291",
        "c7e826933da60e6ac3e2246ed0563a26a920a65beaa9089d784ac96234141bb3",
        "c818fceb1cace51c1a4039c4c66fc73d95eccc298104c9c52debac604b9f4e04",
    ),
    (
        (11155111, "0x657ff0D4eC65D82b2bC1247b0a558bcd2f80A0f1",
         "0x255C3912f91eF11bFDadd405F13144a823Da8cc5", 10**17, "0x", 0, 0, None, None, 4),
        "611379c19940caee095cdb12bebe6a9fa9abb74cdb1fbd7377c49a1f198dc24f",
        "565bba8b51924ffa64953596d0a2dd5c2cad39649f7de0bf2c8dbc903bd03258",
        "cb8bbe7bf8f8a1f3f57658e450d07d4422356ac042d96a87ba425b19e67a78a1",
    ),
    (
        (11155111, "0x6bc56d6CE87C86CB0756c616bECFD3Cd32b09251",
         "0x657ff0D4eC65D82b2bC1247b0a558bcd2f80A0f1", 0,
         "0xd4d9bdcdcb8bbe7bf8f8a1f3f57658e450d07d4422356ac042d96a87ba425b19e67a78a1",
         0, 0, None, None, 4),
        "55f6c329a7834e2a4e789f5526f328fa75d14fe75b97b0001be40caf46ca92a1",
        "cd411ee5d49344391ef8d37b76e19dfacf505bbb20e856ac907acb5958ecbdf0",
        "86eb3f93f2670d119a4ecb8eeaa4dafe31a28abcafe06688d47e195a3dd7abb0",
    ),
]  # fmt: skip
ZERO = "0x" + 40 * "0"
SAFE = bytes.fromhex("5afe" * 10)
TOKEN, PAYEE, GUARD = bytes([7]) * 20, bytes([8]) * 20, bytes([9]) * 20
BATCHER = min(MULTI_SEND_CALL_ONLY)
ADDRESSES = st.binary(min_size=20, max_size=20).map(to_checksum_address)
USDC = {TOKEN: Asset("USDC", 6), bytes(20): Asset("ETH", 18)}


def typed(*fields: Any) -> dict[str, Any]:
    chain_id, safe, to, value, data, operation, gas_price, gas_token, refund, nonce = fields
    members = [part.split(" ") for part in SAFE_TX.partition("(")[2][:-1].split(",")]
    return {
        "types": {
            "EIP712Domain": [
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "SafeTx": [{"name": name, "type": kind} for kind, name in members],
        },
        "primaryType": "SafeTx",
        "domain": {"chainId": chain_id, "verifyingContract": safe},
        "message": {
            "to": to, "value": str(value), "data": data, "operation": operation,
            "safeTxGas": "0", "baseGas": "0", "gasPrice": str(gas_price),
            "gasToken": gas_token or ZERO, "refundReceiver": refund or ZERO, "nonce": str(nonce),
        },
    }  # fmt: skip


def made(signature: str, *arguments: object) -> bytes:
    kinds = signature.partition("(")[2][:-1]
    split = [kinds] if kinds.count("(") else (kinds.split(",") if kinds else [])
    return keccak(text=signature)[:4] + encode(split, arguments)


def transfer(to: bytes, units: int) -> bytes:
    return made("transfer(address,uint256)", to, units)


def pack(to: bytes, value: int, data: bytes, operation: int = 0) -> bytes:
    return bytes([operation]) + to + value.to_bytes(32) + len(data).to_bytes(32) + data


def batch(*items: bytes, to: bytes = BATCHER) -> Call:
    return Call(to, 0, made("multiSend(bytes)", b"".join(items)), 1)


def read(call: Call, **more: Any) -> list[str]:
    return Reader(SAFE, USDC, **more).read(call).lines


@pytest.mark.parametrize(("fields", "domain", "message", "digest"), PUBLISHED)
def test_published_transactions_have_their_published_digests(
    fields: tuple[Any, ...], domain: str, message: str, digest: str
) -> None:
    found = parse(json.dumps(typed(*fields)).encode())
    assert found.domain_hash().hex() == domain
    assert found.message_hash().hex() == message
    assert found.digest().hex() == digest


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(
        st.integers(1, 2**64),
        ADDRESSES,
        ADDRESSES,
        st.integers(0, 2**256 - 1),
        st.binary(max_size=200).map(lambda raw: "0x" + raw.hex()),
        st.integers(0, 1),
        st.integers(0, 2**256 - 1),
        ADDRESSES,
        ADDRESSES,
        st.integers(0, 2**256 - 1),
    )
)
def test_digests_are_those_of_eth_account(fields: tuple[Any, ...]) -> None:
    document = typed(*fields)
    theirs = encode_typed_data(full_message=document)
    ours = parse(json.dumps(document).encode())
    assert (ours.domain_hash(), ours.message_hash()) == (theirs.header, theirs.body)


def test_payments_are_told_in_the_assets_own_words() -> None:
    payee = to_checksum_address(PAYEE)
    assert read(Call(PAYEE, 15 * 10**17, b"", 0)) == [
        f"Pays 1.5 ETH (1500000000000000000 units) to {payee}."
    ]
    assert read(Call(TOKEN, 0, transfer(PAYEE, 1_234_567_890), 0)) == [
        f"Pays 1,234.56789 USDC (1234567890 units, token {to_checksum_address(TOKEN)}) to {payee}."
    ]
    assert "Rejection" in read(Call(SAFE, 0, b"", 0))[0]


def test_a_batch_is_told_call_by_call() -> None:
    call = batch(
        pack(PAYEE, 5, b""),
        pack(TOKEN, 0, transfer(PAYEE, 7)),
        pack(SAFE, 0, made("changeThreshold(uint256)", 3)),
    )
    found = Reader(SAFE, USDC).read(call)
    assert [line.split()[0] for line in found.lines] == ["Pays", "Pays", "From"]
    assert found.warnings == ["The people who can sign change."]
    other = batch(pack(PAYEE, 5, b""), to=GUARD)
    with pytest.raises(Malformed, match="only MultiSendCallOnly"):
        read(other)
    assert len(read(other, multi_send=frozenset([GUARD]))) == 1


@pytest.mark.parametrize(
    ("signature", "arguments", "said"),
    [
        ("addOwnerWithThreshold(address,uint256)", (PAYEE, 2), "Adds the owner"),
        ("removeOwner(address,address,uint256)", (GUARD, PAYEE, 2), "Removes the owner 0x0808"),
        ("swapOwner(address,address,address)", (GUARD, PAYEE, TOKEN), "Replaces the owner 0x0808"),
        ("setGuard(address)", (bytes(20),), "transaction guard (zero = none)"),
        ("enableModule(address)", (PAYEE,), "Enables the module"),
    ],
)
def test_the_safes_own_setters_are_told_and_only_on_the_safe(
    signature: str, arguments: tuple[object, ...], said: str
) -> None:
    call = Call(SAFE, 0, made(signature, *arguments), 0)
    found = Reader(SAFE).read(call)
    assert said in found.lines[0]
    assert found.warnings
    with pytest.raises(Malformed, match="not known"):
        read(call._replace(to=GUARD))


def test_a_guard_taken_in_is_told_with_all_that_it_is_given() -> None:
    signature = "configure(address,(address,uint128)[],address[],address[])"
    data = keccak(text=signature)[:4] + encode(
        ["address", "(address,uint128)[]", "address[]", "address[]"],
        [PAYEE, [(bytes(20), 5), (TOKEN, 6)], [PAYEE], []],
    )
    [line] = read(Call(GUARD, 0, data, 0))
    assert f"limits {ZERO}: 5, {to_checksum_address(TOKEN)}: 6;" in line
    assert line.endswith("freezers none.")


def test_an_announcement_needs_its_content() -> None:
    change = Call(SAFE, 0, made("changeThreshold(uint256)", 3), 0)
    change_hash = keccak(
        encode(
            ["address", "uint256", "bytes32", "uint8"],
            [change.to, change.value, keccak(change.data), change.operation],
        )
    )
    call = Call(GUARD, 0, made("announce(bytes32)", change_hash), 0)
    found = Reader(SAFE).read(call)
    assert "--change" in found.warnings[0]
    assert read(call, change=change)[1] == "Announced: From then on 3 signatures are needed."
    with pytest.raises(Malformed, match="not the one announced"):
        read(call, change=change._replace(value=1))


CANONICAL = made("multiSend(bytes)", pack(PAYEE, 5, b""))
MOVED = CANONICAL[:4] + (64).to_bytes(32) + bytes(32) + CANONICAL[36:]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (Call(TOKEN, 0, transfer(PAYEE, 1), 1), "hands the Safe to the code"),
        (Call(TOKEN, 0, bytes.fromhex("12345678"), 0), "not known"),
        (Call(TOKEN, 0, made("approve(address,uint256)", PAYEE, 1), 0), "not known"),
        (Call(TOKEN, 1, transfer(PAYEE, 1), 0), "both value and call data"),
        (Call(TOKEN, 0, transfer(PAYEE, 1) + b"\0", 0), "second spelling"),
        (Call(TOKEN, 0, transfer(PAYEE, 1)[:-1], 0), "cut off"),
        (Call(TOKEN, 0, transfer(PAYEE, 1)[:4] + b"\1" + transfer(PAYEE, 1)[5:], 0), "dirt"),
        (Call(TOKEN, 0, transfer(PAYEE, 0), 0), "of nothing"),
        (Call(TOKEN, 0, transfer(TOKEN, 1), 0), "token itself"),
        (Call(PAYEE, 0, b"", 0), "payment of nothing"),
        (Call(BATCHER, 1, CANONICAL, 1), "without value"),
        (Call(BATCHER, 0, MOVED, 1), "second spelling"),
        (batch(), "batch of 0"),
        (batch(*[pack(PAYEE, 1, b"")] * 65), "batch of 65"),
        (batch(pack(bytes(20), 1, b"")), "other than zero"),
        (batch(pack(PAYEE, 1, b"", 1)), "must be plain"),
        (batch(pack(BATCHER, 0, CANONICAL)), "batch in a batch"),
        (batch(pack(PAYEE, 1, b"") + b"\0"), "cut off"),
        (batch(pack(PAYEE, 1, b""), pack(TOKEN, 0, b"\1\2\3\4")), "not known"),
    ],
)
def test_what_is_not_certain_is_refused(call: Call, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read(call)


def test_typed_data_that_hides_something_is_refused() -> None:
    good = typed(1, ARBITRUM, ARBITRUM, 0, "0x", 0, 0, None, None, 0)
    swapped = json.loads(json.dumps(good))
    members = swapped["types"]["SafeTx"]
    members[0]["name"], members[8]["name"] = members[8]["name"], members[0]["name"]
    named = good | {"domain": good["domain"] | {"name": "Safe"}}
    salted = good | {"domain": good["domain"] | {"salt": "0x00"}}
    more = good | {"message": good["message"] | {"more": "1"}}
    other = good | {"primaryType": "Permit"}
    hidden: tuple[Any, ...] = (swapped, named, salted, more, other, [], {"types": {}}, "text")
    for wrong in hidden:
        with pytest.raises(Malformed):
            parse(json.dumps(wrong).encode())
    doubled = json.dumps(good)[:-1] + ', "message": {}}'
    with pytest.raises(Malformed, match=r"twice|typed data"):
        parse(doubled.encode())
    mistyped = json.dumps(good).replace(ARBITRUM, ARBITRUM.replace("CEE", "CeE"), 1)
    with pytest.raises(Malformed, match="EIP-55"):
        parse(mistyped.encode())


def test_the_people_who_leave_read_their_announcement_too() -> None:
    document = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Announce": [{"name": "safe", "type": "address"}, {"name": "id", "type": "uint256"}],
        },
        "primaryType": "Announce",
        "domain": {
            "name": "StrongroomExit",
            "version": "1",
            "chainId": 1,
            "verifyingContract": ARBITRUM,
        },
        "message": {"safe": ARBITRUM, "id": "1"},
    }
    found = parse(json.dumps(document).encode())
    theirs = encode_typed_data(full_message=document)
    assert (found.domain_hash(), found.message_hash()) == (theirs.header, theirs.body)


def test_the_command_prints_lines_and_digests_or_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "typed.json"
    file.write_text(json.dumps(typed(*PUBLISHED[0][0])))
    assert main(["safe-hash", "--file", str(file)]) == 0
    told = capsys.readouterr().out
    assert "Adds the owner 0x0c75Fa5a5F1C0997e3eEA425cFA13184ed0eC9e5" in told
    assert all(digest in told for digest in PUBLISHED[0][1:])
    assert max(len(line) for line in told.splitlines()) <= 100
    given = ["--chain", "42161", "--safe", ARBITRUM, "--to", ARBITRUM, "--nonce", "234"]
    assert main(["safe-hash", *given, "--data", ADD_OWNER, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == "0x" + PUBLISHED[0][3]
    assert main(["safe-hash", *given, "--data", "0x12345678", "--json"]) == 1
    refused = json.loads(capsys.readouterr().out)
    assert not refused["accepted"]
    assert refused["digest"] is None
    file.write_text(json.dumps(typed(*PUBLISHED[1][0])))
    assert main(["safe-hash", "--file", str(file)]) == 1
    assert "refund fields" in capsys.readouterr().out
    file.write_text(json.dumps(typed(*PUBLISHED[2][0][:6], 1, None, None, 4)))
    assert main(["safe-hash", "--file", str(file)]) == 1
    assert "refund fields" in capsys.readouterr().out
    assert main(["safe-hash", "--safe", ARBITRUM]) == 2
    assert "--chain" in capsys.readouterr().err
    assert main(["safe-hash", "--file", str(tmp_path / "none")]) == 2


def test_a_message_is_one_thing_only() -> None:
    one = Message("Announce", "StrongroomExit", 1, GUARD, {"safe": SAFE, "id": 1})
    cancel = Message("Cancel", "StrongroomExit", 1, GUARD, {"safe": SAFE, "id": 1})
    assert one.domain_hash() == cancel.domain_hash()
    assert one.digest() != cancel.digest()
