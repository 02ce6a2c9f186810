"""A notice knows the text on GitHub that it is about."""

from store.engine.migrate import run_statements

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    run_statements(revision)
