"""Calls of tools of other servers, what they cost, and kept answers."""

from store.engine.migrate import run_statements

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    run_statements(revision)
