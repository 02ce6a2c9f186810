"""Registries of plug-ins, their ratings, and deliveries for apps of others."""

from store.engine.migrate import run_statements

revision = "0057"
down_revision = "0056"


def upgrade() -> None:
    run_statements(revision)
