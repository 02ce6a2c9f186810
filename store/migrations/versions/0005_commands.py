"""The order of commands: what is written about an issue, and what waits for a permission."""

from store.engine.migrate import run_statements

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_statements(revision)
