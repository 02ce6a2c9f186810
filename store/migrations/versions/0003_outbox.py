"""Lanes, turns and allowances of the outbox; who spent what."""

from store.engine.migrate import run_statements

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_statements(revision)
