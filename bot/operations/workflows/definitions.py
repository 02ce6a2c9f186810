"""The definition that a call names."""

from difflib import get_close_matches

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.kernel.sentences import code
from bot.kernel.yaml_file import Unreadable
from bot.repository.workflow_paths import FOLDER, path_of
from bot.workflows.definitions import stored_values
from bot.workflows.definitions.definition import Definition
from store.tables.mirror import RepositoryRow
from store.tables.workflows import WorkflowDefinitionRow
from store.workflows import definitions

# Names that an error lists.
MOST_NAMED = 20


async def find(ctx: Context, where: RepositoryRow, name: str) -> WorkflowDefinitionRow:
    """The definition with this name, of which some version was valid. Raise Refused."""
    plain = name.strip().removesuffix(".yml").removesuffix(".yaml")
    row = await definitions.get(ctx.tx, ctx.installation_id, where["id"], plain)
    if row is None:
        raise await _unknown(ctx, where, plain)
    if row["definition"] is None:
        raise Refused(
            "not_startable",
            f"{path_of(plain)} of {where['full_name']} is not valid, so it cannot be started: "
            f"{row['problem']}",
        )
    return row


def parse(row: WorkflowDefinitionRow) -> Definition:
    """Raise Refused if this version of Hubbub does not accept what an older one stored."""
    try:
        return stored_values.definition(row["definition"] or {})
    except Unreadable as exc:
        raise Refused(
            "not_startable",
            f"{path_of(row['name'])} cannot be started: {version_problem(exc)}. Change the file.",
        ) from exc


def version_problem(exc: Unreadable) -> str:
    return f"this version of Hubbub does not accept it: {exc}"


async def _unknown(ctx: Context, where: RepositoryRow, name: str) -> Refused:
    known = await definitions.of_repository(ctx.tx, ctx.installation_id, where["id"])
    names = [each["name"] for each in known]
    near = get_close_matches(name, names, n=1)
    meant = f" Did you mean {code(near[0])}?" if near else ""
    there = (
        f"It has: {', '.join(map(code, names[:MOST_NAMED]))}."
        if names
        else f"It has none; a file {FOLDER}/NAME.yml on its default branch defines one."
    )
    return Refused(
        "unknown_workflow",
        f"{where['full_name']} has no workflow {code(name)}.{meant} {there}",
        workflows=names[:MOST_NAMED],
    )
