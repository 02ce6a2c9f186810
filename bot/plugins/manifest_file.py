"""Reads `hubbub-plugin.yml`: the manifest, or each problem with its line."""

import re
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from bot.kernel import yaml_file
from bot.kernel.yaml_file import ANY, Rules, Unreadable, Where, matches_any
from bot.plugins.manifest import ENTRIES, GROUPS, Additions, Manifest

RULES = Rules(
    example="name: standup-digest",
    entries=2_000,
    depth=7,
    prose=(
        ("adds", "operations", ANY, "description"),
        ("adds", "handlers", ANY, "arguments", ANY),
        ("adds", "handlers", ANY, "then", "arguments", ANY),
    ),
)
# Names that no argument can have: those of the model of the arguments, what the function gets
# first, and the argument by which a call is done once.
RESERVED = frozenset({*dir(BaseModel), "self", "hubbub", "key"})
# What a plug-in of these kinds adds, and nothing else.
ALONE = {"mcp": "handlers", "probot": "deliveries"}


def parse(data: bytes) -> Manifest:
    """Raise Unreadable."""
    given, lines = yaml_file.read(data, RULES)
    try:
        found = Manifest.model_validate(given)
    except ValidationError as exc:
        raise yaml_file.unreadable(yaml_file.problems_of(exc, lines, _group_at)) from exc
    if problems := list(_problems(found)):
        raise yaml_file.unreadable(
            (yaml_file.nearest_line(lines, where), where, reason) for where, reason in problems
        )
    return found


def _group_at(where: Where) -> type[BaseModel]:
    return next(group for pattern, group in GROUPS.items() if matches_any([pattern], where))


def _problems(found: Manifest) -> Iterator[tuple[Where, str]]:
    """What is wrong between several keys."""
    pattern, words = ENTRIES[found.kind]
    if not re.fullmatch(pattern, found.entry) or ".." in found.entry:
        yield ("entry",), f"must be {words}, because the kind is {found.kind}"
    if found.name in found.needs:
        yield ("needs", found.name), "is the plug-in itself"
    adds = found.adds
    if not (adds.card_lines or any(vars(adds).values())):
        yield ("adds",), "must name at least one addition"
    for n, operation in enumerate(adds.operations):
        for name in RESERVED & operation.arguments.keys():
            yield (
                ("adds", "operations", str(n), "arguments", name),
                "is a name that Hubbub uses itself",
            )
    yield from _of_kind(found, adds)


def _of_kind(found: Manifest, adds: Additions) -> Iterator[tuple[Where, str]]:
    """What fits no plug-in of its kind."""
    alone = ALONE.get(found.kind)
    for name, value in vars(adds).items():
        if value and (name != alone if alone else name in ALONE.values()):
            yield ("adds", name), f"cannot be added by a plug-in of the kind {found.kind}"
    called = {each.then.operation for each in adds.handlers if each.then}
    called |= {"call_tool"} if adds.handlers else set()
    for missing in sorted(called - set(found.permissions.operations)):
        yield ("permissions", "operations"), f"must name {missing}, which the handlers call"
    secret = found.settings.get("secret")
    if found.kind == "probot" and (secret is None or secret.type != "secret"):
        yield ("settings",), "must have `secret` of the type secret, which signs what is forwarded"


__all__ = ["Unreadable", "parse"]
