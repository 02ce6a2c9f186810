"""Feature flags, and how calls ended with each on and off."""

from store.engine.migrate import run_statements

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    run_statements(revision)
