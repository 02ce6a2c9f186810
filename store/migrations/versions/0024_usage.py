"""Agents report what their models cost, and caps on it stop claims and writes."""

from store.engine.migrate import run_statements

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_statements(revision)
