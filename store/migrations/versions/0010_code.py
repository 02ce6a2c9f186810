"""Code that was read from GitHub, and who waits for a read."""

from store.engine.migrate import run_statements

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_statements(revision)
