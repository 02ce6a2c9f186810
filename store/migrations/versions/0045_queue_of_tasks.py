"""Ready tasks have a place in the queue, and a reservation may have an end of its own."""

from store.engine.migrate import run_statements

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    run_statements(revision)
