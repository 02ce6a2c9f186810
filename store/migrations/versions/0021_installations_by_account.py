"""Installations are found by their account, which a token of GitHub Actions names."""

from store.engine.migrate import run_statements

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run_statements(revision)
