"""Whose work a branch is, found without a walk through all tasks."""

from store.engine.migrate import run_statements

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_statements(revision)
