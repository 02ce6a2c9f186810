"""The first tables."""

from store.engine.migrate import run_statements

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_statements(revision)
