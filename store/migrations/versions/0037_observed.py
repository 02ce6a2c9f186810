"""Indexes for what ended lately, and the trace that a delivery, a command or a write belongs to."""

from store.engine.migrate import run_statements

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    run_statements(revision)
