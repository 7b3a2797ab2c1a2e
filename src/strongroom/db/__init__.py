"""The one way to PostgreSQL: units of work, roles, migrations, outbox, leases, leaders."""
