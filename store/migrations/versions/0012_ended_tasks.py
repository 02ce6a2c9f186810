"""When somebody decided to end a task."""

from store.engine.migrate import run_statements

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_statements(revision)
