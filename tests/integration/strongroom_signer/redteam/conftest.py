"""Signers of the red team's own, on tokens of their own: one online, one offline."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from strongroom_signer.serve.dispatch import Dispatcher
from strongroom_signer.settings import Settings
from tests.integration.strongroom_signer.conftest import ACCOUNTS, opened_desk
from tests.integration.strongroom_signer.redteam.stage import Stage, Uses

# More than all cases together: each of them must leave a receipt.
REFUSALS_AN_HOUR = 100_000


@contextmanager
def opened_stage(settings: Settings, name: str, **changes: Any) -> Iterator[Stage]:
    """A signer on tokens named `name`; its clock moves only when a case moves it."""
    own = replace(
        settings,
        directory=settings.directory.with_name(name),
        signer_token=f"{name}-signer",
        vault_token=f"{name}-vault",
    )
    uses = Uses()
    with uses.watched(), opened_desk(own, ACCOUNTS, **changes) as desk:
        desk.dispatcher = Dispatcher(desk.house, desk.log, REFUSALS_AN_HOUR)
        yield Stage(desk, uses)
        desk.house.journal.verify_chain()


@pytest.fixture(scope="session")
def online(settings: Settings) -> Iterator[Stage]:
    """The signer behind the socket."""
    with opened_stage(settings, "redteam") as opened:
        yield opened


@pytest.fixture(scope="session")
def offline(settings: Settings) -> Iterator[Stage]:
    """The signer without a network."""
    with opened_stage(settings, "offteam", kind="cold") as opened:
        yield opened


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Stage:
    """Where the case plays: on the offline machine if it is one of `offline`."""
    place = "offline" if "[offline." in request.node.nodeid else "online"
    found: Stage = request.getfixturevalue(place)
    return found
