"""Samples of the budgets over time, and indexes to look through the audit log."""

from store.engine.migrate import run_statements

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    run_statements(revision)
