"""Credentials of an installation are found by when they end."""

from store.engine.migrate import run_statements

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run_statements(revision)
