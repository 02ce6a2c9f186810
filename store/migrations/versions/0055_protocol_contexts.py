"""The contexts of clients of A2A."""

from store.engine.migrate import run_statements

revision = "0055"
down_revision = "0054"


def upgrade() -> None:
    run_statements(revision)
