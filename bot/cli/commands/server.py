"""Commands that run the server, and what it needs."""

import asyncio
import sys
from typing import Annotated

import typer

from bot import settings
from bot.cli import output
from bot.cli.commands.options import AsJson
from bot.settings import WrongSettings
from store.engine.transaction import StoreError


def serve(
    processes: Annotated[
        int | None, typer.Option(help="how many, with MySQL; default: HUBBUB_PROCESSES")
    ] = None,
) -> None:
    """Run the server: webhooks, MCP, REST and the writes to GitHub."""
    from bot import logs
    from bot.cli.inheritance import inheritance
    from bot.cli.processes import check, run

    try:
        given = {} if processes is None else {"processes": processes}
        loaded, inherited = settings.load(**given), inheritance()
        logs.set_up(loaded)
        if not inherited:
            logs.tell_unknown_settings()
            check(loaded)
        github_app = settings.github_app(loaded)
        if loaded.processes > 1 and not inherited:
            sys.exit(asyncio.run(run(loaded)))
        from bot.cli import server

        asyncio.run(server.serve(loaded, github_app, inherited))
    except (WrongSettings, StoreError) as exc:
        if not settings.logs_as_json():
            raise
        output.warn_as_json("cannot serve", str(exc))
        sys.exit(2)


def worker(
    *,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Run the tasks of agents that are models. `serve` starts one by itself."""
    from bot import logs
    from bot.cli import worker as process

    loaded = settings.load()
    logs.set_up(loaded)
    asyncio.run(process.work(loaded, is_child=child))


def demo(
    *,
    keep: Annotated[bool, typer.Option(help="keep running, and print how to connect")] = False,
    pull: Annotated[bool, typer.Option(help="run as behind a firewall, without webhooks")] = False,
    setup: Annotated[
        bool, typer.Option("--setup", help="only a simulated GitHub, to try `hubbub setup` with")
    ] = False,
    port: Annotated[int, typer.Option(help="with --setup: the port; default: a free one")] = 0,
) -> None:
    """Watch three agents and a person work on a simulated GitHub."""
    from fixtures import demo as story

    if setup:
        sys.exit(story.serve_github(port))
    sys.exit(story.main(keep=keep, pull=pull))


def migrate(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="only show what would run; exit status 1 if anything")
    ] = False,
) -> None:
    """Upgrade the database to the newest schema."""
    from bot.cli import session

    loaded = settings.load()
    if check:
        from bot.cli import migration_plan

        sys.exit(migration_plan.show(loaded))
    session.migrate_database(loaded)
    output.say(f"{session.safe_url(loaded.database_url)} has the newest schema.")


def check_installation(
    *,
    as_json: AsJson = False,
    bundle: Annotated[
        str, typer.Option(help="write a .zip for a bug report, without secrets and private text")
    ] = "",
) -> None:
    """Check the settings, the database, the secret, and the App on GitHub."""
    from bot import logs
    from bot.cli import doctor, doctor_bundle

    loaded = settings.load()
    logs.set_up(loaded)
    if bundle:
        sys.exit(doctor_bundle.write(loaded, bundle))
    sys.exit(asyncio.run(doctor.check_all(loaded, as_json=as_json)))
