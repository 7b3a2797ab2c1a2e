"""docker-compose.yml: fits the Compose specification, and runs what the supervisor runs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from strongroom.cli.dev.table import SERVICES
from tests.factories.parts.place import REPOSITORY

COMPOSE = REPOSITORY / "docker-compose.yml"


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).parent / "check-jsonschema"
    command = [str(tool), "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(COMPOSE.read_text())
    return loaded


def test_the_compose_file_fits_the_specification() -> None:
    done = check_schema(COMPOSE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_compose_file_does_not_fit(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(
        COMPOSE.read_text().replace("    restart: unless-stopped", "    restrat: 1", 1)
    )
    assert check_schema(wrong).returncode != 0


def test_it_runs_the_same_processes_as_the_supervisor_with_the_same_roles(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]
    engines = {"postgres", "valkey", "migrate", "signer"}
    assert set(services) - engines == {name for name, _, _ in SERVICES}
    for name, role, word in SERVICES:
        assert services[name]["command"] == [word]
        url = services[name]["environment"]["STRONGROOM_DATABASE_URL"]
        assert re.fullmatch(rf"postgresql\+psycopg://{role}@postgres/strongroom", url)


def test_the_signer_has_no_network_and_no_database(compose: dict[str, Any]) -> None:
    signer = compose["services"]["signer"]
    assert signer["network_mode"] == "none"
    assert "networks" not in signer
    assert not [name for name in signer["environment"] if "DATABASE" in name or "RPC" in name]
    assert not [name for name in signer["environment"] if "VAULT" in name]


def test_only_who_may_reach_a_node_or_the_signer_can(compose: dict[str, Any]) -> None:
    services = compose["services"]
    reach = {name for name, one in services.items() if "nodes" in one.get("networks", [])}
    assert reach == {"indexer", "relay"}
    mounts = {
        name
        for name, one in services.items()
        if any(str(volume).startswith("signer-socket:") for volume in one.get("volumes", []))
    }
    assert mounts == {"signer", "api", "relay"}
    out = {name for name, one in services.items() if "edge" in one.get("networks", [])}
    assert out == {"api", "worker"}, "the API is reached from outside, the worker sends webhooks"


def test_what_listens_listens_on_loopback(compose: dict[str, Any]) -> None:
    for name, one in compose["services"].items():
        for port in one.get("ports", []):
            assert str(port).startswith("127.0.0.1:"), name
