"""Edits of texts are recorded, and tasks know whether an outsider wrote their title."""

from store.engine.migrate import run_statements

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_statements(revision)
