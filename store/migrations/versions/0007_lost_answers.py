"""Whether the holder of a lease has shown that it knows of it."""

from store.engine.migrate import run_statements

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_statements(revision)
