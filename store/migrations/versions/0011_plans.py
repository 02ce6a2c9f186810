"""Relations of tasks that GitHub does not have yet, and the last holder of each task."""

from store.engine.migrate import run_statements

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_statements(revision)
