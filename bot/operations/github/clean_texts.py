"""Cleans the texts of a write, and refuses secrets in files."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from bot import secret_formats
from bot.comments import cleaning
from bot.comments.cleaning import Cleaned
from bot.errors import Refused
from bot.kernel.operation import Context
from bot.operations.github import committed_secrets
from bot.operations.github.targets import Place, on_issue
from store.mirror import thread_people
from store.outbox import write_history
from store.tasks import tasks
from store.tasks.tasks import FullTask

Clean: TypeAlias = Callable[[str, set[str]], Cleaned]


def _name(text: str, _known: set[str]) -> Cleaned:
    return cleaning.note(text)


# How each argument of a write is cleaned that people read on GitHub.
TEXTS: dict[str, Clean] = {
    "title": cleaning.title,
    "body": cleaning.markdown,
    "message": cleaning.message,
    "summary": cleaning.markdown,
    "name": _name,
}
# Instead of TEXTS, if all texts of a call are heavier than this together.
UNPARSED: dict[str, Clean] = TEXTS | dict.fromkeys(("body", "summary"), cleaning.unparsed_markdown)
MOST_PARSED = 8000
# Arguments with texts inside, such as the comments of a review and the output of a check.
NESTED = ("comments", "output")
# Arguments that cannot be changed without another meaning. Everybody who may read the repository
# sees them, also the inputs of a workflow.
NAMES = ("branch", "head", "base", "ref", "labels", "inputs")


async def clean(
    ctx: Context,
    where: Place,
    arguments: dict[str, Any],
    task: FullTask | None = None,
    *,
    of_call: int = 0,
) -> tuple[dict[str, Any], list[str]]:
    """The arguments of a write with clean texts, and what was cleaned. Raise Refused.

    `of_call`: the weight of all texts of the call, if others are cleaned apart from these.
    """
    check_names(arguments)
    await _check_files(ctx, where, arguments)
    known = set()
    if any(cleaning.has_mentions(each) for each in _texts(arguments)):
        known = await people_known(ctx, where, arguments, task)
    return clean_arguments(arguments, known, of_call=of_call)


def clean_arguments(
    arguments: dict[str, Any], known: set[str], *, of_call: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """The arguments with clean texts, and what was cleaned. `known`: who may be mentioned."""
    found: list[str] = []
    is_heavy = max(of_call, sum(map(cleaning.weight, _texts(arguments)))) > MOST_PARSED
    ways = UNPARSED if is_heavy else TEXTS
    made = {n: _clean_value(n, value, known, found, ways) for n, value in arguments.items()}
    return made, list(dict.fromkeys(found))


def _texts(value: Any, name: str = "") -> list[str]:
    """The texts in the arguments of a write."""
    if isinstance(value, str):
        return [value] if name in TEXTS else []
    if isinstance(value, list) and name in NESTED:
        return [text for each in value for text in _texts(each)]
    if isinstance(value, dict) and name in ("", *NESTED):
        return [text for key, each in value.items() for text in _texts(each, key)]
    return []


def _clean_value(
    name: str, value: Any, known: set[str], found: list[str], ways: dict[str, Clean]
) -> Any:
    """The value with clean texts. Append to `found` what was cleaned, and where."""
    if isinstance(value, str) and name in ways:
        cleaned = ways[name](value, known)
        found += [f"{each} in {name}" for each in cleaned.found]
        return cleaned.text
    if name in NESTED and isinstance(value, list):
        return [_clean_value(name, each, known, found, ways) for each in value]
    if name in NESTED and isinstance(value, Mapping):
        return {key: _clean_value(key, each, known, found, ways) for key, each in value.items()}
    return value


async def people_known(
    ctx: Context, where: Place, arguments: dict[str, Any], task: FullTask | None
) -> set[str]:
    """Folded logins of people who may be mentioned.

    These are who takes part in the thread of the issue and its pull request, who was asked for a
    review, and who may decide in the repository.
    """
    here = (ctx.tx, ctx.installation_id, where["id"])
    number = arguments.get("number")
    related = [task] if task else await _tasks_of(ctx, where, number)
    numbers = {number} | {each for row in related for each in (row["number"], row["pull_number"])}
    shown = [each for each in numbers if isinstance(each, int)]
    known = await thread_people.participants(*here, shown)
    known |= await thread_people.deciders(*here)
    for each in shown:
        known |= await write_history.asked_reviewers(*here[:2], on_issue(where, each))
    for row in related:
        names = (row["holder"], row["assigned_by"], row["held_by"])
        known |= {each[1:].casefold() for each in names if each and each.startswith("@")}
    given = arguments.get("assignees", [])
    return known | {each.casefold() for each in given if isinstance(each, str)}


async def _tasks_of(ctx: Context, where: Place, number: Any) -> list[FullTask]:
    """The tasks of an issue or pull request."""
    if not isinstance(number, int):
        return []
    here = (ctx.tx, ctx.installation_id, where["id"], number)
    one = await tasks.by_number(*here)
    return [one] if one else await tasks.of_pull(*here)


def for_card(given: dict[str, str | None]) -> tuple[dict[str, str], list[str]]:
    """Texts that Hubbub quotes on a card, those that are given, and what was cleaned in them."""
    cleaned = {name: cleaning.note(text) for name, text in given.items() if text is not None}
    found = [f"{each} in {name}" for name, one in cleaned.items() for each in one.found]
    return {name: one.text for name, one in cleaned.items()}, found


def check_names(arguments: Mapping[str, Any]) -> None:
    """Raise Refused for a secret in what is not cleaned, because it would mean something else."""
    for name in NAMES:
        check_name(name, arguments.get(name))


def check_name(argument: str, value: Any) -> None:
    """Raise Refused for a secret in this argument, without the secret."""
    added = value.get("add") if argument == "labels" and isinstance(value, dict) else value
    if secret := secret_formats.first(added if isinstance(added, str) else repr(added)):
        raise Refused("invalid_arguments", f"`{argument}` has {secret.name}: leave it out.")


async def _check_files(ctx: Context, where: Place, arguments: dict[str, Any]) -> None:
    """Raise Refused for a new secret in a file or its path, without the secret."""
    texts = [
        (file["path"], place, text)
        for file in arguments.get("files", [])
        for place, text in (("path", file["path"]), ("content", _content(file)))
    ]
    if not any(secret_formats.first(text) for _, _, text in texts):
        return
    known = await committed_secrets.of_files(ctx, where, arguments)
    for path, place, text in texts:
        if secret := secret_formats.first(text, known):
            line = text.count("\n", 0, secret.start) + 1
            raise _secret_error(path, place, line, secret.name)


def _content(file: dict[str, Any]) -> str:
    content: str = file["content"]
    # Latin-1 takes every byte. What is no text has no secret of these forms.
    return b64decode(content).decode("latin-1") if file["base64"] else content


def _secret_error(path: str, place: str, line: int, name: str) -> Refused:
    if place == "path":
        return Refused("secret_in_commit", f"A path in `files` has {name}. Nothing was committed.")
    return Refused(
        "secret_in_commit",
        f"{path} has {name} in line {line}. Nothing was committed. Read it from the environment, "
        "or write a placeholder such as xxxx. If the file has it already, call github_read_files "
        "first.",
        path=path,
        line=line,
    )
