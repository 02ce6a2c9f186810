"""The tasks that are reserved for an agent are found without reading the other tasks."""

from store.engine.migrate import run_statements

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_statements(revision)
