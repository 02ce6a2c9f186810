"""`hubbub workflow`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(help="Check and write workflow files.", no_args_is_help=True)


@commands.command("check")
def workflow_check(
    files: Annotated[list[Path], typer.Argument(help="workflow files, NAME.yml")],
) -> None:
    """Print what is wrong with workflow files, with the line. Exit status 1 if something is."""
    from bot.cli import workflows

    sys.exit(workflows.check(files))


@commands.command("new")
def workflow_new(
    template: Annotated[
        str, typer.Argument(help="feature, bug-fix, refactoring, release or review")
    ],
) -> None:
    """Print a workflow file to copy and change."""
    from bot.cli import workflows

    workflows.print_template(template)
