"""What each process is given: the screener's public key reaches those who check it."""

from pathlib import Path

from strongroom.cli.dev.ports import Ports
from strongroom.cli.dev.state import State
from strongroom.cli.dev.table import Table
from tests.factories.parts.place import REPOSITORY

KEY = "STRONGROOM_SCREENER_PUBLIC_KEY"


def test_services_get_the_screeners_key_once_it_was_made_and_keep_it_without_logs(
    tmp_path: Path,
) -> None:
    table = Table(REPOSITORY, State(tmp_path), Ports(9000))
    assert {program.environment[KEY] for program in table.services()} == {""}
    table.screener_public_file.write_text("ab" * 32 + "\n")
    assert not table.state.logs.exists()
    assert {program.environment[KEY] for program in table.services()} == {"ab" * 32}
