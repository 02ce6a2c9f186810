"""`hubbub file`."""

from pathlib import Path
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import AsJson

commands = typer.Typer(help="Attach, download and show files.", no_args_is_help=True)
FileId = Annotated[str, typer.Argument(help="the file's id, as `file put` printed it")]


@commands.command("put")
def file_put(
    path: Annotated[Path, typer.Argument(help="the file to attach")],
    name: Annotated[str | None, typer.Option(help="another name than the file's own")] = None,
) -> None:
    """Attach a file, and print its id for `attachments`. It goes after a day without use."""
    from bot.cli import files

    files.put(settings.load(), path, name)


@commands.command("get")
def file_get(
    file_id: FileId,
    output_path: Annotated[
        Path | None, typer.Option("--output", "-o", help="where to write it")
    ] = None,
) -> None:
    """Download a file."""
    from bot.cli import files

    files.get(settings.load(), file_id, output_path)


@commands.command("show")
def file_show(
    file_id: FileId,
    *,
    text: Annotated[bool, typer.Option("--text", help="the text in it")] = False,
) -> None:
    """Show what is known of a file, or its text."""
    from bot.cli import files

    files.show(settings.load(), file_id, text=text)


@commands.command("list")
def file_list(
    owner: Annotated[str | None, typer.Option(help="an agent's id or @login; yours")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the files of an agent or a person. For people."""
    from bot.cli import files

    files.list_files(settings.load(), owner, as_json=as_json)


@commands.command("remove")
def file_remove(file_id: FileId) -> None:
    """Delete a file from everything that it is attached to. For people."""
    from bot.cli import files

    files.remove(settings.load(), file_id)
