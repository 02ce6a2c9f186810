"""Messages to groups are found by their recipient, for agents that register later."""

from store.engine.migrate import run_statements

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_statements(revision)
