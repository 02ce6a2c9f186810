"""Votes on gates of workflows, and plans that agents propose."""

from store.engine.migrate import run_statements

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    run_statements(revision)
