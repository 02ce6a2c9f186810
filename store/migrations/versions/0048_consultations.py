"""Consultations of agents, and circles of agents that wait for each other."""

from store.engine.migrate import run_statements

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    run_statements(revision)
