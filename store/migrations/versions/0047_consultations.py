"""Consultations of agents, and circles of agents that wait for each other."""

from store.engine.migrate import run_statements

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    run_statements(revision)
