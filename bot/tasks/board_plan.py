"""What a repository's settings and its board mean together: the option for each value of a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from bot.kernel.sentences import code
from bot.repository import repository_settings
from bot.repository.repository_settings import Board, RepositorySettings
from bot.tasks import board_options
from bot.tasks.board_options import Matched, Names, Option, Usual, plain
from bot.tasks.priorities import PRIORITIES
from bot.tasks.sizes import SIZES
from store.engine.transaction import Tx
from store.mirror import board_syncs, projects
from store.mirror.board_syncs import Known
from store.tables.boards import ProjectFieldRow, ProjectRow
from store.tasks.tasks import FullTask

Role: TypeAlias = Literal["state", "priority", "size"]
ROLES: tuple[Role, ...] = get_args(Role)
USUAL: Mapping[Role, Usual] = {
    "state": board_options.STATES,
    "priority": board_options.PRIORITIES,
    "size": board_options.SIZES,
}
# The key in the settings with the option of each value.
KEYS: Mapping[Role, str] = {"state": "statuses", "priority": "priorities", "size": "sizes"}
# Without an option for one of these the field cannot show the tasks.
NEEDED: Mapping[Role, tuple[str, ...]] = {
    "state": ("pending", "in_progress", "completed"),
    "priority": (),
    "size": (),
}
SELECT = "single_select"
# What an option that stands for several values does to a task: the first of these.
MEANING = ("pending", "in_progress", "in_review", "completed", "cancelled", "failed", "assigned")


@dataclass(frozen=True)
class BoardField:
    """A field of the board that shows something of tasks."""

    role: Role
    row: ProjectFieldRow
    matched: Matched

    def option_of(self, task: FullTask) -> Option | None:
        value = value_of(task, self.role)
        return self.matched.option_of.get(value) if value else None

    def means(self, option_id: str | None) -> frozenset[str]:
        return self.matched.values_of.get(option_id or "", frozenset())


@dataclass(frozen=True)
class Plan:
    """`problems`: what the board lacks. Without the field for the state, `fields` is empty."""

    project: ProjectRow
    fields: tuple[BoardField, ...]
    problems: tuple[str, ...]

    def field_of(self, node_id: str) -> BoardField | None:
        return next((each for each in self.fields if each.row["node_id"] == node_id), None)

    @property
    def ids_to_know(self) -> dict[str, Any]:
        """The ids to remember, so that what is renamed later is found again."""
        return {
            each.role: {
                "field": each.row["id"],
                "options": {v: option["id"] for v, option in each.matched.option_of.items()},
            }
            for each in self.fields
        }


def value_of(task: FullTask, role: Role) -> str | None:
    """What the field shows of the task. A size may be missing."""
    if role == "state":
        return task["state"]
    if role == "priority":
        return PRIORITIES[task["priority"]]
    return None if task["size"] is None else SIZES[task["size"]]


def is_usual(task: FullTask, role: Role) -> bool:
    """Whether an empty field shows it well enough."""
    return role == "priority" and PRIORITIES[task["priority"]] == "medium"


async def of(
    tx: Tx, installation_id: int, repository_id: int, settings: RepositorySettings | None = None
) -> Plan | None:
    """None if the settings name no board, or one that the mirror does not have."""
    if settings is None:
        settings = await repository_settings.of(tx, installation_id, repository_id)
    if settings.board is None:
        return None
    project = await projects.by_number(tx, installation_id, settings.board.project)
    if project is None:
        return None
    fields = await projects.fields(tx, installation_id, project["id"])
    sync = await board_syncs.get(tx, installation_id, repository_id)
    known = sync["known"] if sync and sync["project"] == settings.board.project else {}
    return make(settings.board, project, fields, known)


def make(
    board: Board, project: ProjectRow, fields: Sequence[ProjectFieldRow], known: Known
) -> Plan:
    """The plan. Pure."""
    names = {"state": board.field, "priority": board.priority_field, "size": board.size_field}
    found: list[BoardField] = []
    problems: list[str] = []
    for role in ROLES:
        if (name := names[role]) is None:
            continue
        field, why = _field(board, fields, role, name, known.get(role, {}))
        if field is not None:
            found.append(field)
        problems += why
    has_state = any(each.role == "state" for each in found)
    return Plan(project, tuple(found) if has_state else (), tuple(problems))


def _field(
    board: Board, fields: Sequence[ProjectFieldRow], role: Role, name: str, known: Mapping[str, Any]
) -> tuple[BoardField | None, list[str]]:
    row = _find_field(fields, name, known.get("field"))
    if row is None:
        return None, [f"Project {board.project} has no single-select field {code(name)}."]
    named: Names = getattr(board, KEYS[role]).model_dump()
    matched = board_options.match(row["options"], named, USUAL[role], known.get("options", {}))
    if problems := _problems(row, role, matched):
        return None, problems
    return BoardField(role, row, matched), []


def _find_field(
    fields: Sequence[ProjectFieldRow], name: str, known: int | None
) -> ProjectFieldRow | None:
    """The field of this name, or the one that had it before it was renamed."""
    selects = [each for each in fields if each["type"] == SELECT]
    same = [each for each in selects if each["name"].casefold() == name.casefold()]
    alike = [each for each in selects if plain(each["name"]) == plain(name)]
    before = [each for each in selects if each["id"] == known]
    return next(iter([*same, *alike, *before]), None)


def _problems(row: ProjectFieldRow, role: Role, matched: Matched) -> list[str]:
    names = ", ".join(code(each["name"]) for each in row["options"]) or "none"
    there = f"Its options are {names}."
    if matched.unknown:
        lacking = ", ".join(map(code, matched.unknown.values()))
        return [f"The field {code(row['name'])} has no option {lacking}. {there}"]
    for value in NEEDED[role]:
        if value not in matched.option_of:
            where = f"`board.{KEYS[role]}.{value}`"
            why = f"No option of the field {code(row['name'])} stands for {value}."
            return [f"{why} {there} Name one as {where} in the settings."]
    return (
        [] if matched.option_of else [f"The field {code(row['name'])} has no usual option. {there}"]
    )
