"""`hubbub backup`, `hubbub restore` and `hubbub epoch`."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bot import settings
from bot.settings import WrongSettings


class DefaultCommand(TyperGroup):
    """A group whose command `create` needs no name: `backup FILE` is `backup create FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["create", *args]
        return super().parse_args(ctx, args)


backup_commands = typer.Typer(help="Make and verify backups.", cls=DefaultCommand)
epoch_commands = typer.Typer(help="After a replica took over.", no_args_is_help=True)
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="default: HUBBUB_BACKUP_PASSPHRASE_FILE"),
]


@backup_commands.command("create")
def backup_create(
    file: Annotated[Path | None, typer.Argument(help="a new file")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="a folder; the file is named by the time")
    ] = None,
    passphrase_file: PassphraseFile = None,
    *,
    code: Annotated[bool, typer.Option("--code", help="with the cache of files and diffs")] = False,
) -> None:
    """Make a backup, while servers go on. `hubbub backup FILE` does the same."""
    from bot.cli import backups

    asyncio.run(backups.back_up(settings.load(), file, to, passphrase_file, code=code))


@backup_commands.command("verify")
def backup_verify(
    file: Annotated[Path, typer.Argument(help="a backup")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Read a whole backup and check it. It needs no database."""
    from bot.cli import backups

    backups.verify(settings.load(), file, passphrase_file)


def restore_backup(
    file: Annotated[Path | None, typer.Argument(help="a backup")] = None,
    passphrase_file: PassphraseFile = None,
    from_database: Annotated[
        str | None,
        typer.Option("--from-database", help="in place of a file: the address of a database"),
    ] = None,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="delete first what the database has")
    ] = False,
) -> None:
    """Restore a backup into the empty database of HUBBUB_DATABASE_URL, of either engine.

    After a kill, start it again with the same file: it continues.
    """
    from bot.cli import backups

    if (file is None) == (from_database is None):
        raise WrongSettings("Pass a FILE or --from-database ADDRESS.")
    loaded = settings.load()
    if file is not None:
        asyncio.run(backups.restore(loaded, file, passphrase_file, replaces=replace))
    elif from_database is not None:
        asyncio.run(backups.copy_database(loaded, from_database, replaces=replace))


@epoch_commands.command("raise")
def epoch_raise(
    missing: Annotated[
        str, typer.Option(help="how much the database may lack at most, as 30s or 5m")
    ] = "5m",
) -> None:
    """Make fences, cursors and leases from before invalid, and doubt the writes under way.

    Run it once on a replica that was promoted, before the first server uses it.
    """
    from bot import times
    from bot.cli import backups

    try:
        missing_s = times.seconds(missing)
    except ValueError as exc:
        raise WrongSettings(f"--missing: {exc}") from exc
    asyncio.run(backups.raise_epoch(settings.load(), missing_s))
