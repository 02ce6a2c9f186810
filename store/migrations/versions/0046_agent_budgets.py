"""Budgets of agents and all below them, and pauses that reach all below an agent."""

from store.engine.migrate import run_statements

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    run_statements(revision)
