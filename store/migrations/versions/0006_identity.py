"""Which App and which people GitHub means, by their ids; when a repository was deleted."""

from store.engine.migrate import run_statements

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_statements(revision)
