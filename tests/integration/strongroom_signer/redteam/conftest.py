"""A signer of the red team's own, on tokens of its own, with accounts for the cases that run."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from strongroom_signer.serve.dispatch import Dispatcher
from strongroom_signer.settings import Settings
from tests.integration.strongroom_signer.conftest import opened_desk
from tests.integration.strongroom_signer.redteam.stage import Stage, Uses

# More than all cases together: each of them must leave a receipt.
REFUSALS_AN_HOUR = 100_000


@pytest.fixture(scope="session")
def stage(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Opened once; the clock moves only when a case moves it."""
    own = replace(
        settings,
        directory=settings.directory.with_name("redteam"),
        signer_token="redteam-signer",
        vault_token="redteam-vault",
    )
    cases = sum("redteam" in item.nodeid for item in request.session.items)
    accounts = 15 + cases * 9 // 8  # a few cases found a second organisation
    uses = Uses()
    with uses.watched(), opened_desk(own, accounts, origin="strongroom.test/redteam") as desk:
        desk.dispatcher = Dispatcher(desk.house, desk.log, REFUSALS_AN_HOUR)
        yield Stage(desk, uses)
        desk.house.journal.verify_chain()
