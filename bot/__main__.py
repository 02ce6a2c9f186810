"""The `hubbub` command: its commands.

Each imports what it needs when it runs, because agents start `call` and `mcp` all day.
"""

import atexit
import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Annotated

import typer

from bot import settings
from bot.cli import garbage, output
from bot.cli.commands import (
    audit,
    backups,
    clients,
    deliveries,
    files,
    flags,
    mounts,
    notify,
    plugins,
    repositories,
    server,
    setup,
    tenants,
    tokens,
    workflows,
    writes,
)
from bot.errors import Refused
from bot.settings import WrongSettings
from store.engine.transaction import StoreError

# The headings of `hubbub --help`.
RUN, USE, ACCESS, OPERATE = "Run the server", "Use a server", "Who may do what", "Look after it"
GROUPS = {
    "token": (tokens.token_commands, ACCESS),
    "deliveries": (deliveries.commands, OPERATE),
    "writes": (writes.commands, OPERATE),
    "secret": (tokens.secret_commands, ACCESS),
    "flags": (flags.commands, OPERATE),
    "tenant": (tenants.commands, OPERATE),
    "file": (files.commands, USE),
    "notify": (notify.commands, OPERATE),
    "mount": (mounts.commands, USE),
    "workflow": (workflows.commands, USE),
    "plugin": (plugins.commands, OPERATE),
    "audit": (audit.commands, ACCESS),
    "backup": (backups.backup_commands, OPERATE),
    "epoch": (backups.epoch_commands, OPERATE),
}
COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "serve": (server.serve, RUN),
    "worker": (server.worker, RUN),
    "demo": (server.demo, RUN),
    "mcp": (clients.mcp, USE),
    "migrate": (server.migrate, RUN),
    "doctor": (server.check_installation, RUN),
    "setup": (setup.set_up, RUN),
    "call": (clients.call_operation, USE),
    "login": (clients.log_in, USE),
    "link": (clients.print_link, USE),
    "logout": (clients.log_out, USE),
    "settings": (repositories.settings_of_repository, OPERATE),
    "insights": (repositories.show_insights, OPERATE),
    "backfill": (repositories.watch_backfill, OPERATE),
    "restore": (backups.restore_backup, OPERATE),
}
app = typer.Typer(
    help="AI agents and people on the same GitHub repositories.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
for name, (group, heading) in GROUPS.items():
    app.add_typer(group, name=name, rich_help_panel=heading)
for name, (command, heading) in COMMANDS.items():
    app.command(name, rich_help_panel=heading)(command)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="show the version and exit")] = False,
) -> None:
    if version:
        output.say(f"hubbub {metadata.version('hubbub')}")
    elif context.invoked_subcommand is None:
        output.say(context.get_help())
    elif context.invoked_subcommand not in ("serve", "doctor"):  # these say it in their own way
        for name, meant in settings.unknown().items():
            if meant:
                output.warn(f"{name} is not a setting. Did you mean {meant}?")


def main(words: Sequence[str] | None = None) -> None:
    """Run a command. `words` are those of the command line, if none are given."""
    output.escape_unencodable()
    try:
        app(words, prog_name="hubbub")
    except (WrongSettings, StoreError) as exc:
        output.warn(str(exc))
        sys.exit(2)
    except Refused as exc:
        output.show_error(exc)
        sys.exit(1)
    except output.OutputFailed as exc:
        output.show_lost_output(exc)
        sys.exit(os.EX_IOERR)


def run_process() -> None:
    """Run the command of this process, and end the process quickly."""
    # Otherwise Python looks for unused objects in all modules: a quarter of the time of a command.
    atexit.register(gc.freeze)
    garbage.wait_for_imports()
    main()


if __name__ == "__main__":
    run_process()
