"""Agents that Hubbub reaches itself, and what it delivers to them."""

from store.engine.migrate import run_statements

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    run_statements(revision)
