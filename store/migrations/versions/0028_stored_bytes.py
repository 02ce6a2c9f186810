"""The bytes that each agent sent to be kept are counted, for its quota."""

from store.engine.migrate import run_statements

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    run_statements(revision)
