"""Files that are attached to messages, contexts and tasks."""

from store.engine.migrate import run_statements

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    run_statements(revision)
