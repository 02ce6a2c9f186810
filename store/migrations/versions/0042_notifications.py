"""Targets of notifications, and what was sent to them."""

from store.engine.migrate import run_statements

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    run_statements(revision)
