"""Tasks on which leases keep expiring or failing."""

from store.engine.migrate import run_statements

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_statements(revision)
