"""Options that several commands have."""

from typing import Annotated

import typer

from bot.identity.actors import ROLES
from bot.settings import WrongSettings
from store.tables.agents import Role

InstallationName = Annotated[
    str, typer.Option("--installation", help="the account's login or the installation's number")
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line")]
TokenRole = Annotated[str, typer.Option("--role", help=", ".join(ROLES))]


def role_of(role: str) -> Role:
    if role not in ROLES:
        raise WrongSettings(f"--role is {role!r}; it must be one of {', '.join(ROLES)}.")
    known: Role = role
    return known


def seconds_of(expires: str | None, option: str = "--expires") -> int | None:
    from bot import times

    try:
        return None if expires is None else times.seconds(expires)
    except ValueError as exc:
        raise WrongSettings(f"{option}: {exc}") from exc


OneInstallation = Annotated[
    str | None, typer.Option("--installation", help="only this account or number; default: all")
]
