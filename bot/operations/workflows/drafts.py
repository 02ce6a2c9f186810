"""Definitions of workflows while people edit them. Nothing is stored here."""

import asyncio
from typing import Annotated, TypeAlias

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from bot.errors import Refused
from bot.github import git_objects
from bot.kernel.operation import Answer, Context, RepositoryName, operation
from bot.kernel.patterns import Shape
from bot.kernel.yaml_file import Unreadable
from bot.operations.code import places
from bot.operations.code.entries import NOTHING, CommitAnswer, at_path, frame
from bot.operations.code.lookup import Lookup, WhenRead
from bot.operations.tasks.access import visible_repository
from bot.repository import workflow_paths
from bot.workflows.editing import draft
from bot.workflows.editing.draft import Draft, DraftStep, Problem
from bot.workflows.editing.edited_values import CannotEdit, Values
from bot.workflows.editing.edits import AnyEdit

LONGEST = 256 * 1024
MOST_EDITS = 50
EDITS: TypeAdapter[list[AnyEdit]] = TypeAdapter(list[AnyEdit])
FileName: TypeAlias = Annotated[
    str,
    Field(max_length=60, description="of the file, without .yml"),
    Shape(
        f"^{workflow_paths.NAME.pattern}$",
        "must have 1 to 60 lower-case letters, digits and hyphens, a hyphen not first",
    ),
]
DraftText: TypeAlias = Annotated[
    str, Field(max_length=LONGEST, description="the text of the workflow file")
]


class DraftView(Answer):
    of_mirror = False

    text: str
    problems: list[Problem] = Field([], description="what is wrong, by lines")
    readable: bool = Field(description="it is YAML, so its steps are known")
    top: Values = Field({}, description="the keys of the file beside its steps")
    steps: list[DraftStep] = Field([], description="as far as they can be understood")


@operation(reads_only=True)
async def edit_workflow(
    _ctx: Context,
    text: DraftText = "",
    edits: Annotated[
        list[dict[str, JsonValue]],
        Field(max_length=MOST_EDITS, description="what to change, in order"),
    ] = [],  # noqa: B006 - pydantic copies it
) -> DraftView:
    """Edit the text of a workflow file, and say what is wrong with it. Nothing is stored."""
    # A long text takes longer than others should wait.
    try:
        found = await asyncio.to_thread(draft.look, text, _parse(edits))
    except CannotEdit as exc:
        raise Refused("invalid_arguments", f"{exc} Nothing was changed.") from exc
    except Unreadable as exc:
        raise Refused(
            "invalid_arguments",
            f"The text cannot be edited before it can be read: {exc.problems[0]}.",
        ) from exc
    return DraftView(**fields_of(found))


def _parse(given: list[dict[str, JsonValue]]) -> list[AnyEdit]:
    try:
        return EDITS.validate_python(given)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused("invalid_arguments", f"`edits`: {place}: {first['msg']}.") from exc


def fields_of(found: Draft) -> dict[str, object]:
    return {name: getattr(found, name) for name in DraftView.model_fields if hasattr(found, name)}


class WorkflowFile(CommitAnswer):
    path: str
    sha: str | None = Field(None, description="of its content; null: there is no such file yet")
    text: str = ""


@operation(reads_only=True, reaches_github=True, waitable=WhenRead())
async def get_workflow_file(
    ctx: Context, repository: RepositoryName, name: FileName
) -> WorkflowFile:
    """Read a workflow file as it is on the default branch."""
    where = await visible_repository(ctx, repository)
    look = Lookup(ctx, where)
    path = path_of(name)
    at = await places.commit(look, places.Target(where, where["default_branch"]), None)
    answer = WorkflowFile(**frame(look, at), path=path)
    found = await at_path(look, at, path) if at else None
    if found is not None and found is not NOTHING:
        content = await look.blob(found.sha)
        if content is not None:
            answer.sha, answer.text = git_objects.blob_sha(content), _text_of(path, content)
    answer.pending = await look.pending()
    return answer


def path_of(name: str) -> str:
    return workflow_paths.path_of(name)


def _text_of(path: str, content: bytes) -> str:
    if len(content) > LONGEST:
        raise Refused(
            "invalid_arguments", f"{path} has {len(content)} bytes; the limit is {LONGEST}."
        )
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        raise Refused(
            "invalid_arguments", f"{path} is not UTF-8, so it cannot be edited here."
        ) from exc
