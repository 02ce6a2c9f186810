"""Finds calls of tools that no process ends any more."""

from store.engine.migrate import run_statements

revision = "0059"
down_revision = "0058"


def upgrade() -> None:
    run_statements(revision)
