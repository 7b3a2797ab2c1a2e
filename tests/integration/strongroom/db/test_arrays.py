from uuid import UUID

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from strongroom.db import arrays

texts = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    some.lists(some.none() | texts | some.sampled_from(["NULL", "", '"', "\\", "{}", ","])),
    some.lists(some.none() | some.integers(-(2**63), 2**63 - 1)),
    some.lists(some.none() | some.binary(max_size=40)),
)
def test_what_goes_in_comes_out(database, words, numbers, octets):
    with psycopg.connect(database.conninfo()) as connection:
        found = connection.execute(
            "SELECT %s::text[], %s::bigint[], %s::bytea[], %s::uuid[]",
            (
                arrays.texts(words),
                arrays.numbers(numbers),
                arrays.octets(octets),
                arrays.uuids([UUID(int=5), None]),
            ),
        ).fetchone()
    assert found == (words, numbers, octets, [UUID(int=5), None])
