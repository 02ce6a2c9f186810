"""Indexes by which Hubbub finds what needs a person."""

from store.engine.migrate import run_statements

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    run_statements(revision)
