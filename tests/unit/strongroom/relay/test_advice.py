"""Each transaction that waits says for what, and what to do about it."""

from datetime import timedelta
from typing import Any

import pytest

from strongroom.relay import rules
from strongroom.relay.advice import NOTHING, Entry, Standing, advise

OLD = timedelta(hours=1)
NEW = timedelta(seconds=5)


def entry(**changes: Any) -> Entry:
    found: dict[str, Any] = {
        "purpose": "sweep", "state": "broadcast", "nonce": 7, "age": NEW, "attempts": 1,
        "last_error": None, "known": frozenset({7}),
    }  # fmt: skip
    return Entry(**{**found, **changes})


def standing(
    mined: int = 7, pending: int = 8, finalized: int = 5, *, dry: bool = False
) -> Standing:
    return Standing(mined, pending, finalized, dry)


def test_what_goes_on_by_itself_asks_nothing_of_people():
    for one, where in (
        (entry(state="queued", nonce=None), None),
        (entry(), standing()),
        (entry(), None),
        (entry(state="mined", age=OLD), standing()),
        (entry(), standing(mined=8)),
        (entry(age=OLD), standing(mined=8)),
        (entry(known=frozenset({5, 6, 7})), standing(mined=5)),
    ):
        found = advise(one, where)
        assert (found.what_to_do, found.stuck, found.gap) == (NOTHING, False, 0), one


def test_a_gap_before_it_is_named_and_counted():
    found = advise(entry(known=frozenset({6, 7})), standing(mined=4))
    assert (found.stuck, found.gap) == (True, 2)
    assert "nonces 4 to 5" in found.waits_for


def test_a_nonce_that_is_used_is_foreign_only_when_that_is_final():
    assert not advise(entry(age=OLD), standing(mined=9, finalized=7)).stuck
    found = advise(entry(age=OLD), standing(mined=9, finalized=8))
    assert found.stuck
    assert "used by somebody else" in found.what_to_do
    assert "Never send this under another nonce" in found.what_to_do


@pytest.mark.parametrize(
    ("one", "where", "words"),
    [
        (entry(), standing(dry=True), "Send coin"),
        (entry(age=OLD, attempts=rules.ATTEMPTS_MAX), standing(), "bumped as often as allowed"),
        (entry(age=OLD), standing(), "raise the fee caps"),
        (entry(state="queued", nonce=None, age=OLD), None, "Look at the signer"),
    ],
)
def test_what_does_not_go_on_by_itself_says_what_to_do(one: Entry, where: Standing, words: str):
    found = advise(one, where)
    assert found.stuck
    assert words in found.what_to_do
