"""Repositories by name, and the settings in force there."""

from pathlib import Path
from typing import Any

from bot.cli.output import pretty, say, warn
from bot.cli.session import open_session
from bot.kernel.yaml_file import Unreadable
from bot.repository import repository_settings, settings_file
from bot.repository.settings_file import PATH
from bot.settings import Settings, WrongSettings
from store.engine.transaction import Tx
from store.mirror import settings_files, stored_repositories
from store.mirror.stored_repositories import RepositoryName


async def selection(tx: Tx, full_name: str | None) -> list[RepositoryName]:
    """The repository of this name, or all that there are."""
    present = await stored_repositories.present_repositories(tx)
    if full_name is None:
        return present
    folded = full_name.casefold()
    found = [row for row in present if row["full_name"].casefold() == folded]
    if not found:
        raise WrongSettings(
            f"Hubbub does not know the repository {full_name!r}. Install the App on it while "
            "`hubbub serve` runs."
        )
    return found


def check_file(path: Path) -> int:
    """Print each problem of a settings file. Return 1 if there is one."""
    try:
        with path.open("rb") as file:
            data = file.read(settings_file.RULES.longest + 1)
    except OSError as exc:
        raise WrongSettings(f"cannot read {path}: {exc.strerror}.") from exc
    try:
        found = settings_file.parse(data)
    except Unreadable as exc:
        for each in exc.problems:
            say(f"{path}: {each}")
        return 1
    say(f"{path}: valid, sets {', '.join(sorted(found.model_fields_set)) or 'nothing'}")
    return 0


async def show_settings(loaded: Settings, full_name: str) -> int:
    """Print the settings in force. Return 1 if the repository's file is wrong."""
    async with open_session(loaded) as session:
        found, problem = await session.store.read(lambda tx: _settings(tx, full_name))
    say(pretty(found))
    if problem is not None:
        warn(f"these settings stay in force, because {PATH} is wrong:\n{problem}")
    return int(problem is not None)


async def _settings(tx: Tx, full_name: str) -> tuple[dict[str, Any], str | None]:
    repository = (await selection(tx, full_name))[0]
    here = (repository["installation_id"], repository["id"])
    row = await settings_files.get(tx, *here)
    in_force = await repository_settings.of(tx, *here)
    return in_force.model_dump(mode="json", by_alias=True), row["problem"] if row else None
