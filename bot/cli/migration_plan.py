"""`hubbub migrate --check`: what a migration would do to the database."""

from bot.cli.output import say
from bot.cli.session import safe_url
from bot.settings import Settings
from store.engine import schema_version


def show(loaded: Settings) -> int:
    """Print the migrations that were not run yet. Return the exit status: 1 if there are any."""
    url = safe_url(loaded.database_url)
    plan = schema_version.pending(loaded.database_url)
    if not plan:
        wrong = schema_version.check(loaded.database_url)
        say(f"{url}: {wrong}." if wrong else f"{url} needs no migration.")
        return int(wrong is not None)
    n = len(plan)
    say(f"{url} needs {n} {'migration' if n == 1 else 'migrations'}:")
    for each in plan:
        say(f"{each.revision} {each.title}")
        for change in each.changes:
            say(f"       {change}")
    say("Servers of the version before may go on meanwhile. Nothing was changed.")
    return 1
