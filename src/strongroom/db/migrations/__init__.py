"""The schema's history: hand-written SQL, run in order by Alembic."""
