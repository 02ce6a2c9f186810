"""The audit says where a change came from and what was refused, and seals cover its rows."""

from store.engine.migrate import run_statements

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run_statements(revision)
