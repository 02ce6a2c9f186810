"""Runs of GitHub Actions that work as agents."""

from store.engine.migrate import run_statements

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    run_statements(revision)
