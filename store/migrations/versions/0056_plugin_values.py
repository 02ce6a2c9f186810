"""Values that plug-ins keep."""

from store.engine.migrate import run_statements

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    run_statements(revision)
