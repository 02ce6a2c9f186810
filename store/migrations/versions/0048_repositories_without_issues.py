"""Whether a repository has issues, and workflows by repository."""

from store.engine.migrate import run_statements

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    run_statements(revision)
