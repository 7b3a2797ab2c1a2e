"""What a log may say: that something failed and where, never what it was working with (P6)."""

import subprocess
import sys

import pytest

FAIL = """
from strongroom.kit.log import configure, logger

def open_token(pin):
    raise ValueError("the token is away")

configure("test", json={json})
try:
    open_token("no-log-" + "has-this-pin")
except ValueError:
    logger("test").exception("token.failed")
"""


@pytest.mark.parametrize("json", [True, False])
def test_a_failure_is_told_without_the_values_that_it_met(json: bool):
    made = [sys.executable, "-c", FAIL.format(json=json)]
    said = subprocess.run(made, capture_output=True, text=True, check=True).stderr
    assert "token.failed" in said
    assert "ValueError: the token is away" in said
    assert "open_token" in said
    assert "no-log-has-this-pin" not in said
