"""Agents that pause and leave, holds, hand-offs, dead letters, contexts."""

from store.engine.migrate import run_statements

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_statements(revision)
