"""What the operator set for single accounts, and what accounts used by day."""

from store.engine.migrate import run_statements

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    run_statements(revision)
