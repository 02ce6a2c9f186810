"""The permissions of a person who is logged in are found by their number."""

from store.engine.migrate import run_statements

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run_statements(revision)
