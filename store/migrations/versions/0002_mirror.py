"""Relations, boards, checks, files, search, backfill and repair."""

from store.engine.migrate import run_statements

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_statements(revision)
