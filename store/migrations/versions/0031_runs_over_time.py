"""When Hubbub looks at a run of an agent next, and the schedules of templates."""

from store.engine.migrate import run_statements

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    run_statements(revision)
