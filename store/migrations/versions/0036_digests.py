"""Digests of repositories, and an index to find the tasks that ended lately."""

from store.engine.migrate import run_statements

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    run_statements(revision)
