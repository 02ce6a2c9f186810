"""Mounted servers, their logs and their tools."""

from store.engine.migrate import run_statements

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    run_statements(revision)
