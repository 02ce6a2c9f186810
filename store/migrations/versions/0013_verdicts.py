"""Verdicts of agents on pull requests, and the code that a review comment is about."""

from store.engine.migrate import run_statements

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_statements(revision)
