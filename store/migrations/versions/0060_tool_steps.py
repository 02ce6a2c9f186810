"""Steps of workflows that a tool does."""

from store.engine.migrate import run_statements

revision = "0060"
down_revision = "0059"


def upgrade() -> None:
    run_statements(revision)
