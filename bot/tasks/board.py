"""The Status of an issue or pull request on a project board, and the writes that set it."""

from dataclasses import dataclass
from typing import Any, Literal

from bot.repository import repository_settings
from bot.tasks import board_options
from store.engine.transaction import Tx
from store.mirror import projects
from store.outbox import writes
from store.tables.mirror import IssueRow, PullRequestRow

Content = Literal["Issue", "PullRequest"]
# GitHub's name of the field in a new project.
FIELD = "Status"


@dataclass(frozen=True)
class Place:
    """An option of a board's single-select field; ids are GitHub's."""

    project: int
    project_node_id: str
    field_id: int
    field_node_id: str
    option_id: str


async def place(
    tx: Tx, installation_id: int, repository_id: int, project: int | None, status: str
) -> Place | str:
    """The place of a Status, or why there is none. Without `project`, on the settings' board."""
    settled = (await repository_settings.of(tx, installation_id, repository_id)).board
    if project is None and settled is None:
        return "Pass `project`, because .github/hubbub.yml names no board."
    number = project if project is not None or settled is None else settled.project
    field = settled.field if settled and settled.project == number else FIELD
    found = [
        each for each in await projects.projects(tx, installation_id) if each["number"] == number
    ]
    if not found:
        return f"The App cannot see a project {number}."
    fields = await projects.fields(tx, installation_id, found[0]["id"])
    chosen = next((each for each in fields if _is_same(each["name"], field)), None)
    if chosen is None:
        return f"Project {number} has no field {field!r} in the mirror."
    if option := board_options.find(chosen["options"], status):
        return Place(
            project=int(number or 0),
            project_node_id=found[0]["node_id"],
            field_id=chosen["id"],
            field_node_id=chosen["node_id"],
            option_id=option["id"],
        )
    names = ", ".join(each["name"] for each in chosen["options"])
    return f"{field} in project {number} has no option {status!r}. Its options are {names}."


def _is_same(name: str, other: str) -> bool:
    return name.casefold() == other.casefold()


def target(where: Place, content: IssueRow | PullRequestRow) -> str:
    return target_of(where.project, content["id"])


def target_of(project: int, content_id: int) -> str:
    """The target of all writes about one issue or pull request on a board, in their order."""
    return f"board {project} {content_id}"


async def moves(
    tx: Tx, installation_id: int, where: Place, content: IssueRow | PullRequestRow, of: Content
) -> list[tuple[str, dict[str, Any]]]:
    """The kinds and arguments of the writes that move an issue or pull request there."""
    change = {"project": where.project, "field_id": where.field_id, "option_id": where.option_id}
    here = (tx, installation_id)
    on_it = await projects.item_of(*here, where.project_node_id, content["node_id"])
    if on_it is not None:
        return [("board_status", change | {"item_id": on_it["id"]})]
    added = await writes.newest(*here, target(where, content), "board_item")
    if added is not None and added["result"]:
        return [("board_status", change | {"item_id": added["result"]["item_id"]})]
    add = {"project": where.project, "type": of, "id": content["id"]}
    return [("board_item", add), ("board_status", change)]
