"""`hubbub workflow`: checks workflow files, and prints the ones that come with Hubbub."""

from collections.abc import Sequence
from pathlib import Path

from bot.cli.output import say
from bot.kernel.yaml_file import Unreadable
from bot.repository import workflow_paths
from bot.settings import WrongSettings
from bot.workflows.definitions import definition_file, shipped


def check(files: Sequence[Path]) -> int:
    """Print each problem. Return 1 if there is one."""
    return max(_check_file(each) for each in files)


def _check_file(path: Path) -> int:
    try:
        with path.open("rb") as file:
            data = file.read(definition_file.RULES.longest + 1)
    except OSError as exc:
        raise WrongSettings(f"cannot read {path}: {exc.strerror}.") from exc
    problems = list(_problems(path, data))
    for each in problems:
        say(f"{path}: {each}")
    if not problems:
        count = len(definition_file.parse(data).steps)
        say(f"{path}: valid, {count} {'step' if count == 1 else 'steps'}")
    return int(bool(problems))


def _problems(path: Path, data: bytes) -> Sequence[str]:
    if workflow_paths.name_of(f"{workflow_paths.FOLDER}/{path.name}") is None:
        return [workflow_paths.WRONG_NAME]
    try:
        definition_file.parse(data)
    except Unreadable as exc:
        return exc.problems
    return ()


def print_template(name: str) -> None:
    if name not in shipped.TEMPLATES:
        known = "\n".join(f"  {each}: {use}" for each, use in shipped.TEMPLATES.items())
        raise WrongSettings(f"there is no template {name!r}. The templates:\n{known}")
    say(shipped.text(name).rstrip("\n"))
