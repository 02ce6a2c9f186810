"""The settings of a repository may allow less than the permission table."""

from store.engine.migrate import run_statements

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run_statements(revision)
