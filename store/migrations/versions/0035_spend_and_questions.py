"""What a task cost is found by its agents, and a person's question knows where it was asked."""

from store.engine.migrate import run_statements

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    run_statements(revision)
