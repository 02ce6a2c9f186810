"""The workflow files of repositories, as people look at them."""

from typing import Any

from pydantic import BaseModel, Field

from bot.kernel.operation import Answer, Context, RepositoryName, operation
from bot.operations.tasks.access import visible_repository
from bot.operations.workflows.drafts import FileName, path_of
from store.workflows import definitions
from store.workflows.definitions import Listed

MOST_LISTED = 200


class ListedFile(BaseModel):
    repository: str
    name: str
    path: str
    problem: str | None = Field(None, description="what is wrong with the newest version")
    can_start: bool = Field(description="a version of it was valid")


class FileList(Answer):
    files: list[ListedFile] = Field(description="by repository and name")
    more: bool = Field(False, description="there are more files than these")
    description: str | None = Field(None, description="only if you passed `name`")
    inputs: dict[str, Any] = Field({}, description="only if you passed `name`")


@operation(reads_only=True)
async def list_workflow_files(
    ctx: Context, repository: RepositoryName | None = None, name: FileName | None = None
) -> FileList:
    """List the workflow files of the default branches, and what is wrong with them."""
    here = (ctx.tx, ctx.installation_id)
    where = await visible_repository(ctx, repository) if repository else None
    reach = [where["id"]] if where else ctx.actor.repositories
    rows = await definitions.of_installation(*here, reach, MOST_LISTED + 1)
    found = [_view(row) for row in rows[:MOST_LISTED] if name in (None, row["name"])]
    answer = FileList(files=found, more=len(rows) > MOST_LISTED)
    row = await definitions.get(*here, where["id"], name) if where and name else None
    if row and row["definition"]:
        answer.description = row["definition"].get("description")
        answer.inputs = row["definition"].get("inputs", {})
    return answer


def _view(row: Listed) -> ListedFile:
    return ListedFile(
        repository=row["full_name"],
        name=row["name"],
        path=path_of(row["name"]),
        problem=row["problem"],
        can_start=bool(row["is_valid"]),
    )
