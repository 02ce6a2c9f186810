"""The definition that a call names."""

from difflib import get_close_matches

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.kernel.sentences import code
from bot.kernel.yaml_file import Unreadable
from bot.repository.workflow_paths import FOLDER, path_of
from bot.workflows.definitions import stored_values
from bot.workflows.definitions.definition import Definition
from store.engine.transaction import Tx
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
    names = await _names(ctx.tx, ctx.installation_id, where["id"])
    near = get_close_matches(name, names, n=1)
    meant = f" Did you mean {code(near[0])}?" if near else ""
    return Refused(
        "unknown_workflow",
        f"{where['full_name']} has no workflow {code(name)}.{meant} It has{_list_of(names)}",
        workflows=names[:MOST_NAMED],
    )


async def choices(tx: Tx, installation_id: int, repository_id: int) -> str:
    """The workflows of a repository, in one sentence."""
    return f"This repository has{_list_of(await _names(tx, installation_id, repository_id))}"


async def _names(tx: Tx, installation_id: int, repository_id: int) -> list[str]:
    return [
        each["name"] for each in await definitions.of_repository(tx, installation_id, repository_id)
    ]


def _list_of(names: list[str]) -> str:
    if not names:
        return f" none; a file {FOLDER}/NAME.yml on its default branch defines one."
    return f": {', '.join(map(code, names[:MOST_NAMED]))}."
