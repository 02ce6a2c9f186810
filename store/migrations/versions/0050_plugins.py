"""Plug-ins, and the installations that use them."""

from store.engine.migrate import run_statements

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    run_statements(revision)
