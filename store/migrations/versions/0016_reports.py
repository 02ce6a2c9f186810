"""Under which lease a task's note and progress were reported."""

from store.engine.migrate import run_statements

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_statements(revision)
