"""Two decoders that share no code: the service's, and the verifier's own. What the service says yes
to, the verifier reads with the same digests; what the verifier refuses, the service refuses, too.
"""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.decoded import DecodingRefused, Known, Place
from strongroom_protocol.decoder import decode_safe_tx
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.safe import (
    Payment,
    SafeTx,
    batch_safe_tx,
    domain,
    payment_safe_tx,
    rejection_safe_tx,
)
from strongroom_protocol.vault_changes import Change, change_safe_tx, guard_as_signed
from strongroom_verify.errors import Malformed
from strongroom_verify.safe_calls import Call, Reader
from strongroom_verify.typed_data import Message
from tests.unit.strongroom_protocol.organisation import (
    CHAIN_ID,
    NOW,
    OTHER_PAYEE,
    PAYEE,
    TOKEN,
    bundle,
)

BUNDLE = bundle()
PLATFORM = Deployment(CHAIN_ID, Address(b"\x0a" * 20))
VAULT = PLATFORM.vault_address(BUNDLE)
PLACE = Place(VAULT, PLATFORM.guard, PLATFORM.multi_send)

payees = st.sampled_from([PAYEE, OTHER_PAYEE])
assets = st.sampled_from([ZERO, TOKEN])
units = st.integers(1, 2**100)
nonces = st.integers(0, 1000)
payments = st.builds(Payment, assets, payees, units)
owners = st.sampled_from(BUNDLE.control.owners)
changes = st.one_of(
    st.builds(lambda one, count: Change("add_owner", owner=one, threshold=count), payees,
              st.integers(1, 4)),
    st.builds(lambda one: Change("remove_owner", owner=one, previous=PAYEE, threshold=1), owners),
    st.builds(lambda one: Change("swap_owner", owner=one, previous=PAYEE, new_owner=OTHER_PAYEE),
              owners),
    st.builds(lambda count: Change("change_threshold", threshold=count), st.integers(1, 3)),
    st.builds(lambda one, most: Change("set_limit", token=one, day_units=most),
              st.sampled_from([None, TOKEN]), st.integers(0, 2**128 - 1)),
    st.just(guard_as_signed(BUNDLE, PLATFORM)),
)  # fmt: skip
transactions = st.one_of(
    st.builds(lambda one, nonce: payment_safe_tx(one.token, one.to, one.units, nonce), payments,
              nonces),
    st.builds(lambda some, nonce: batch_safe_tx(some, nonce, PLATFORM.multi_send),
              st.lists(payments, min_size=1, max_size=4), nonces),
    st.builds(lambda nonce: rejection_safe_tx(VAULT, nonce), nonces),
    st.builds(lambda change, nonce: change_safe_tx(change, "execute", nonce, VAULT,
                                                   PLATFORM.guard, PLATFORM), changes, nonces),
    st.builds(lambda place, nonce: change_safe_tx(
        Change("announce_destination", destination=place), "now", nonce, VAULT, PLATFORM.guard,
        PLATFORM), payees, nonces),
)  # fmt: skip


def verifier(tx: SafeTx) -> tuple[list[str], tuple[bytes, bytes, bytes]]:
    lines = Reader(VAULT).read(Call(tx.to, tx.value, tx.data, tx.operation)).lines
    message = Message("SafeTx", "", CHAIN_ID, VAULT, tx.values())
    return lines, (message.domain_hash(), message.message_hash(), message.digest())


def service(tx: SafeTx) -> tuple[int, tuple[bytes, bytes, bytes]]:
    found = decode_safe_tx(tx, domain(CHAIN_ID, VAULT), BUNDLE, PLACE, Known(NOW))
    line = found.lines[0]
    inner = len(line.nested) if line.kind == "batch" else 1
    return max(inner, len(found.lines)), (found.domain_hash, found.message_hash, found.digest)


@settings(max_examples=300, deadline=None)
@given(transactions)
def test_both_read_the_same_and_hash_the_same(tx: SafeTx) -> None:
    lines, digests = verifier(tx)
    count, others = service(tx)
    assert digests == others
    assert len(lines) >= count


@settings(max_examples=500, deadline=None)
@given(transactions, st.data())
def test_what_the_verifier_refuses_the_service_refuses_too(tx: SafeTx, data: st.DataObject) -> None:
    assume(tx.data)
    at = data.draw(st.integers(0, len(tx.data) - 1))
    spoilt = bytearray(tx.data)
    spoilt[at] ^= data.draw(st.integers(1, 255))
    kept = bytes(spoilt)[: data.draw(st.sampled_from([len(spoilt), at]))]
    other = SafeTx(to=tx.to, value=tx.value, data=kept, nonce=tx.nonce, operation=tx.operation)
    try:
        verifier(other)
    except Malformed:
        try:
            service(other)
        except DecodingRefused:
            return
        raise AssertionError("the service reads what the verifier does not") from None
