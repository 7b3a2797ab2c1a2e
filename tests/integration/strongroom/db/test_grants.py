"""P4, P7: what the roles may write directly: questions and requests, never answers or progress."""

import psycopg
import pytest

from strongroom.db.actor import system
from tests.factories.books import make_organisation

OUTGOING = (
    "INSERT INTO outgoing (organisation_id, id, chain_id, purpose, ref, payload, due_at,"
    " request_id, created_at, updated_at{more})"
    " VALUES (current_organisation(), gen_random_uuid(), 31337, '{purpose}', sha256('{purpose}'),"
    " '{{}}', now(), '', now(), now(){values})"
)
QUESTION = (
    "INSERT INTO screening_request (organisation_id, id, direction, reference, subject, intent,"
    " topic, payload, requested_at, request_trace{more})"
    " VALUES (current_organisation(), gen_random_uuid(), 'out', 'r', decode(repeat('11', 20),"
    " 'hex'), sha256('r'), 'withdrawals.advance', '{{}}', now(), ''{values})"
)
EVENT = (
    "INSERT INTO event (organisation_id, id, key, type, subject, number, body, retracts, at)"
    " VALUES (current_organisation(), gen_random_uuid(), 'k', '{type}', 's', 1, '{{}}', '{{}}',"
    " now())"
)
NOT_YOURS = [
    ("api", OUTGOING.format(purpose="vault_execution", more="", values="")),
    ("api", OUTGOING.format(purpose="sweep", more="", values="")),
    ("worker", OUTGOING.format(purpose="vault_execution", more="", values="")),
    ("api", OUTGOING.format(purpose="vault_creation", more=", state", values=", 'failed'")),
    ("api", OUTGOING.format(
        purpose="vault_creation", more=", sender, nonce",
        values=", decode(repeat('22', 20), 'hex'), 7")),
    ("api", QUESTION.format(more=", state", values=", 'CLEAR'")),
    ("api", QUESTION.format(more=", list_version", values=", 9")),
    ("worker", "UPDATE screening_request SET state = 'CLEAR'"),
    ("worker", "INSERT INTO screening_verdict SELECT * FROM screening_verdict"),
    ("api", "UPDATE outgoing_attempt SET raw = NULL"),
    ("api", "UPDATE platform SET store_epoch = 9"),
    ("api", "UPDATE deposit SET disposition = 'credited'"),
    ("api", "UPDATE watched_address SET kind = 'relay'"),
    ("api", "UPDATE chain_cursor SET height = 9"),
    ("api", EVENT.format(type="deposit.credited")),
    ("api", EVENT.format(type="chain.halted")),
    ("api", EVENT.format(type="withdrawal.finalized")),
]  # fmt: skip


@pytest.mark.parametrize(("role", "statement"), NOT_YOURS)
def test_a_stolen_role_can_not_write(connect, role: str, statement: str) -> None:
    organisation = make_organisation(connect.found)
    with (
        connect(f"strongroom_{role}").unit(organisation, system("thief")) as uow,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        uow.execute(statement.replace("%", "%%"))


def test_what_the_rooms_themselves_ask_for_is_theirs_to_write(connect) -> None:
    organisation = make_organisation(connect.found)
    with connect("strongroom_api").unit(organisation, system("test")) as uow:
        uow.execute(OUTGOING.format(purpose="vault_creation", more="", values=""))
        uow.execute(QUESTION.format(more="", values=""))
        uow.execute(EVENT.format(type="withdrawal.approved"))
    with connect("strongroom_worker").unit(organisation, system("test")) as uow:
        uow.execute(OUTGOING.format(purpose="sweep", more="", values=""))
