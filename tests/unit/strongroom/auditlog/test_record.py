from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from strongroom.auditlog.record import canonical, encode, timestamp
from strongroom.db.actor import Actor
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


@given(texts, texts, integers, some.none() | some.binary(min_size=32, max_size=32))
def test_a_record_written_key_by_key_is_the_canonical_form_of_its_fields(text, other, number, root):
    at = datetime(2026, 11, 22, tzinfo=UTC)
    encoded = encode(
        organisation_id=UUID(int=7),
        actor=Actor("person", text, number),
        request_id=other,
        at=at,
        action=text,
        subject=other,
        body={"kind": text, "n": number},
        rows_root=root,
    )
    assert encoded == canonical_bytes(
        {
            "type": "strongroom.record/1",
            "organisation": str(UUID(int=7)),
            "actor": {"kind": "person", "id": text, "version": number},
            "request_id": other,
            "at": timestamp(at),
            "action": text,
            "subject": other,
            "body": {"kind": text, "n": number},
            "rows_root": None if root is None else "0x" + root.hex(),
        }
    )


@pytest.mark.parametrize("field", ["request_id", "action", "subject", "id", "version"])
def test_a_record_with_a_field_that_has_no_canonical_form_is_refused(field):
    texts = dict.fromkeys(("request_id", "action", "subject", "id"), "good") | {field: "\ud800"}
    version = 2**53 if field == "version" else 1
    with pytest.raises(Impossible):
        encode(
            organisation_id=UUID(int=7),
            actor=Actor("person", texts["id"], version),
            request_id=texts["request_id"],
            at=datetime(2026, 11, 22, tzinfo=UTC),
            action=texts["action"],
            subject=texts["subject"],
            body={},
            rows_root=None,
        )
