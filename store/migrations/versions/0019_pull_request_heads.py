"""Pull requests are found by their branch and by its newest commit."""

from store.engine.migrate import run_statements

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_statements(revision)
