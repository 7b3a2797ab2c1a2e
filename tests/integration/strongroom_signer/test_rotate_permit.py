"""P1: the permit key's next generation, by the ceremony's command and a signer that is started
anew: the old one stays, and no crash between birth and seal leaves two.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom_protocol.addresses import checksum, parse_address
from tests.factories.parts.place import short_folder
from tests.integration.strongroom_signer.test_process import Signer, signer_in


@pytest.fixture
def signer() -> Iterator[Signer]:
    with short_folder("rpk") as place:
        made = signer_in(Path(place))
        made.init()
        made.ceremony("new")
        out = str(made.folder / "account.json")
        made.accounts[0] = made.ceremony("account", "--index", "0", "--count", "1", "--out", out)
        yield made
        if made.child is not None:
            made.stop(signal.SIGKILL)


def test_a_new_permit_key_is_for_new_vaults_and_old_ones_keep_theirs(signer: Signer) -> None:
    first = checksum(signer.permit)
    facts = signer.ceremony("rotate-permit")
    assert facts["permit_keys"] == [first, facts["permit"]]
    signer.start()
    status = signer.get("status", {})
    assert status["permit_keys"] == [first, facts["permit"]]
    assert status["keys"]["permit"] == facts["permit"]
    refused = signer.ask("policy_first", signer.founders("Old key").policy_first())
    assert refused["code"] == "signer.permit_signer_differs"
    signer.permit = parse_address(facts["permit"])
    signer.get("policy_first", signer.founders("New key").policy_first())
    assert signer.init()["keys"]["permit"] == facts["permit"], "init finds all as it was sealed"


def test_a_key_that_was_born_when_the_ceremony_was_killed_is_sealed_by_the_next(
    signer: Signer,
) -> None:
    signer.environment["STRONGROOM_CRASH_AT"] = "rotate.permit:1"
    assert signer.command("ceremony", "rotate-permit").returncode == -signal.SIGKILL
    del signer.environment["STRONGROOM_CRASH_AT"]
    signer.start()
    status = signer.get("status", {})
    born = status["permit_keys"][1]
    assert status["keys"]["permit"] == checksum(signer.permit), "not sealed, so it does not count"
    signer.stop()
    assert signer.ceremony("rotate-permit")["permit_keys"] == [checksum(signer.permit), born]
