"""Hubbub's own check on the heads of pull requests, and where the logs of other checks are."""

from store.engine.migrate import run_statements

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    run_statements(revision)
