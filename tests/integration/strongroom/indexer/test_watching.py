"""What is asked at each step costs the same with a million addresses as with one."""

from typing import Any

import psycopg

from strongroom.db.actor import system
from strongroom.wallets import service as wallets
from tests.factories.chain_stage import Stage

MANY = 5_000


def test_what_is_asked_at_each_step_is_found_by_its_index(stage: Stage):
    with psycopg.connect(stage.connect.found.conninfo(), autocommit=True) as owner:
        owner.execute(
            "INSERT INTO watched_address (organisation_id, id, chain_id, address, kind,"
            " custody_code, active_height, created_at)"
            " SELECT %(org)s, gen_random_uuid(), %(chain)s, a, 'deposit',"
            " 'custody:' || %(chain)s || ':0x' || encode(a, 'hex'), 0, now()"
            " FROM (SELECT substr(sha256(n::text::bytea), 1, 20) AS a"
            "       FROM generate_series(1, %(many)s) AS n) AS made",
            {"org": stage.organisation, "chain": stage.chain.chain_id, "many": MANY},
        )
        owner.execute("ANALYZE watched_address")
    asked: list[tuple[str, Any]] = []
    with stage.connect("strongroom_indexer", pool_size=1).read(None, system("test")) as uow:
        execute = uow.execute

        def listen(sql: str, given: Any = None) -> Any:
            asked.append((sql, given))
            return execute(sql, given)

        uow.execute = listen  # type: ignore[assignment,method-assign]
        assert wallets.late_scans(uow, stage.chain.chain_id, limit=1) == []
        assert wallets.pending(uow, stage.chain.chain_id)
        plans = [
            "\n".join(row[0] for row in execute("EXPLAIN " + sql, given)) for sql, given in asked
        ]
    assert "watched_address_to_scan" in plans[0]
    assert "watched_address_pending" in plans[1]
