"""Lists of tasks by their last change."""

from store.engine.migrate import run_statements

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    run_statements(revision)
