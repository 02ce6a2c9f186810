"""One table of credentials takes the place of the agents' keys."""

from store.engine.migrate import run_statements

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run_statements(revision)
