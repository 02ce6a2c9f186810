"""Workflows of several tasks: definitions, those started, their steps and schedules."""

from store.engine.migrate import run_statements

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    run_statements(revision)
