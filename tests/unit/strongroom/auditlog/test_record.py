import pytest
from hypothesis import given
from hypothesis import strategies as some

from strongroom.auditlog.record import canonical
from strongroom.kit.errors import Impossible
from strongroom_protocol.canonical import canonical_bytes

keys = some.text(some.characters(max_codepoint=127), max_size=8)
texts = some.text(some.characters(exclude_categories=["Cs"]), max_size=20)
integers = some.integers(-(2**53) + 1, 2**53 - 1)
values = some.recursive(
    some.none() | some.booleans() | integers | texts,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(some.dictionaries(keys, values, max_size=6))
def test_records_are_rfc_8785_byte_for_byte(value):
    assert canonical(value) == canonical_bytes(value)


@pytest.mark.parametrize("value", [1.5, 2**53, b"x", object(), "\ud800", {"ü": 1}, {1: 1}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(Impossible):
        canonical({"value": value})
