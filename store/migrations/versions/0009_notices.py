"""Notices to agents, as rows."""

from store.engine.migrate import run_statements

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_statements(revision)
