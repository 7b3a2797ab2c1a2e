import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.signatures import (
    CURVE_ORDER,
    Signature,
    SignatureInvalid,
    from_ecdsa,
    recover,
)
from tests.unit.strongroom_protocol.organisation import ADA, BEN

DIGESTS = st.binary(min_size=32, max_size=32)
DIGEST = b"\7" * 32


@given(DIGESTS)
def test_recovery_equals_eth_account(digest):
    signature = ADA.sign(digest)
    theirs = Account._recover_hash(digest, signature=signature.to_bytes())
    assert recover(digest, signature).hex() == theirs[2:].lower()
    assert recover(digest, signature) == ADA.address
    assert Signature.parse(signature.to_bytes()) == signature


@given(DIGESTS)
def test_a_tokens_high_s_becomes_the_one_accepted_form(digest):
    low = ADA.sign(digest)
    assert from_ecdsa(digest, low.r, CURVE_ORDER - low.s, ADA.address) == low
    assert from_ecdsa(digest, low.r, low.s, ADA.address) == low
    with pytest.raises(SignatureInvalid):
        from_ecdsa(digest, low.r, low.s, BEN.address)


def mutated(**changes):
    good = ADA.sign(DIGEST)
    return {"r": good.r, "s": good.s, "v": good.v, **changes}


@pytest.mark.parametrize(
    "parts",
    [
        mutated(v=0), mutated(v=1), mutated(v=29), mutated(v=31), mutated(r=0),
        mutated(r=CURVE_ORDER), mutated(s=0), mutated(s=CURVE_ORDER - mutated()["s"]),
        mutated(s=CURVE_ORDER // 2 + 1),
    ],
)  # fmt: skip
def test_every_second_encoding_is_refused(parts):
    with pytest.raises(SignatureInvalid):
        Signature(**parts)


@pytest.mark.parametrize("length", [0, 64, 66, 130])
def test_other_lengths_are_refused(length):
    with pytest.raises(SignatureInvalid):
        Signature.parse(ADA.sign(DIGEST).to_bytes().ljust(130, b"\0")[:length])


def test_a_signature_of_nobody_is_refused():
    with pytest.raises(SignatureInvalid, match="no key"):
        recover(DIGEST, Signature(5, 5, 27))
    with pytest.raises(SignatureInvalid, match="32 bytes"):
        recover(DIGEST[:31], ADA.sign(DIGEST))
