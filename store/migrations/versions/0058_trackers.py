"""Foreign trackers whose issues become tasks."""

from store.engine.migrate import run_statements

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    run_statements(revision)
