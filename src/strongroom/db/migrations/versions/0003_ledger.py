"""The tables and functions of the ledger: the SQL stands beside this file, in five parts."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    parts = ("ledger", "ledger_functions", "ledger_references", "ledger_api", "ledger_post")
    for part in parts:
        sql = Path(__file__).with_name(f"0003_{part}.sql").read_text("utf-8")
        op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})
