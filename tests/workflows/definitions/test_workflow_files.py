"""The workflow files of a repository: read after a push, kept while a newer one is wrong."""

from bot.comments.replies import WORKFLOWS_ISSUE
from bot.mirror import reads
from bot.workflows.definitions.definition import Definition
from fixtures.github import Issue
from store.workflows import definitions
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

FOLDER = ".github/hubbub/workflows"
FEATURE = f"{FOLDER}/feature.yml"
RIGHT = "steps:\n  - id: build\n    title: Build\n    body: Make it\n"
WRONG = "steps:\n  - id: build\n    title: Build\n"
OTHER = RIGHT.replace("Build", "Make")


async def push(workspace: Workspace, **files: str | None) -> None:
    given = {f"{FOLDER}/{name}.yml": text for name, text in files.items()}
    workspace.person.push(workspace.repository, "main", given)
    await workspace.settle()


async def titles(workspace: Workspace) -> dict[str, str | None]:
    """The title of the first step of each workflow, by name. None: no version was valid."""
    here = (workspace.installation.id, workspace.repository.id)
    rows = await workspace.store.read(lambda tx: definitions.of_repository(tx, *here))
    return {
        row["name"]: Definition.model_validate(row["definition"]).steps[0].title
        if row["definition"]
        else None
        for row in rows
    }


def reports(workspace: Workspace) -> list[Issue]:
    issues = workspace.repository.issues.values()
    return [each for each in issues if each.title == WORKFLOWS_ISSUE]


def files_read(workspace: Workspace) -> list[str]:
    paths = [each.path for each in workspace.github.requests if each.method == "GET"]
    return [each.rpartition("/")[0] for each in paths if "/git/blobs/" in each or FOLDER in each]


async def folder_again(workspace: Workspace) -> None:
    await workspace.read(reads.repository("workflow_files", workspace.repository.id))
    await workspace.settle()


async def test_pushed_files_are_read_until_they_are_removed(workspace: Workspace) -> None:
    await push(workspace, feature=RIGHT, release=OTHER)
    assert await titles(workspace) == {"feature": "Build", "release": "Make"}
    await push(workspace, feature=OTHER)
    assert await titles(workspace) == {"feature": "Make", "release": "Make"}
    await push(workspace, release=None)
    await workspace.time_passes(61)
    assert await titles(workspace) == {"feature": "Make"}
    await push(workspace, feature=None)
    await workspace.time_passes(61)
    assert await titles(workspace) == {}
    rows = await workspace.rows(
        "SELECT operation FROM audit WHERE installation_id = :i "
        "AND operation LIKE 'workflow_file.%' ORDER BY seq"
    )
    assert [row["operation"].partition(".")[2] for row in rows] == [
        *("changed", "changed", "changed", "removed", "removed")
    ]


async def test_a_push_reads_the_folder_and_the_files_that_changed(workspace: Workspace) -> None:
    await push(workspace, feature=RIGHT, release=OTHER)
    before = len(files_read(workspace))
    await push(workspace, release=RIGHT.replace("Build", "Release"))
    assert len(files_read(workspace)) == before + 2
    await push(workspace, release=OTHER)
    assert len(files_read(workspace)) == before + 3, "the old content is known"
    workspace.person.push(workspace.repository, "main", {"readme.md": "x"})
    workspace.person.push(workspace.repository, "fix", {FEATURE: OTHER}, base="main")
    await workspace.settle()
    assert len(files_read(workspace)) == before + 3
    assert (await titles(workspace))["feature"] == "Build"


async def test_a_repository_with_files_is_read_when_the_app_comes(workspace: Workspace) -> None:
    workspace.github.hold_deliveries()
    await push(workspace, feature=RIGHT)
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    await workspace.begin_backfill()
    await workspace.settle()
    assert await titles(workspace) == {"feature": "Build"}


async def test_a_wrong_file_leaves_the_last_valid_one_and_the_committer_is_told_once(
    workspace: Workspace,
) -> None:
    await push(workspace, feature=RIGHT)
    await push(workspace, feature=WRONG)
    await workspace.time_passes(11)
    assert await titles(workspace) == {"feature": "Build"}
    (report,) = reports(workspace)
    assert (report.body or "").partition("\n")[2] == (
        "@octocat, Hubbub cannot use the last version of these workflow files:\n\n"
        f"- `{FEATURE}`\n  - `line 2: steps.build: has no body; say what to do`\n\n"
        "The last valid version of each file stays in use, if there was one. The page "
        "*Workflows* of Hubbub's documentation (`docs/reference/workflows.md`) describes each "
        "key. Correct the files on the default branch, then close this issue."
    )
    await folder_again(workspace)
    await push(workspace, other=RIGHT)
    await workspace.time_passes(11)
    assert len(reports(workspace)) == 1
    await push(workspace, feature=OTHER)
    assert await titles(workspace) == {"feature": "Make", "other": "Build"}


async def test_the_problems_of_one_push_are_one_report(workspace: Workspace) -> None:
    await push(workspace, feature=WRONG, release="steps: []\n", review=RIGHT)
    await workspace.time_passes(11)
    (report,) = reports(workspace)
    assert report.body is not None
    assert f"- `{FOLDER}/release.yml`\n  - `line 1: steps: must not be empty`" in report.body
    assert f"- `{FEATURE}`\n" in report.body
    assert await titles(workspace) == {"feature": None, "release": None, "review": "Build"}


@ON_SQLITE
async def test_a_file_that_is_put_right_at_once_is_not_reported(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "main", {FEATURE: WRONG})
    workspace.person.push(workspace.repository, "main", {FEATURE: RIGHT})
    await workspace.settle()
    assert reports(workspace) == []


@ON_SQLITE
async def test_a_file_that_is_too_long_is_not_read(workspace: Workspace) -> None:
    await push(workspace, feature="#" * 300_000)
    await workspace.time_passes(11)
    (report,) = reports(workspace)
    assert "the file has 300000 bytes; the limit is 262144" in (report.body or "")
    assert [each for each in files_read(workspace) if "/git/blobs" in each] == []


@ON_SQLITE
async def test_other_files_in_the_folder_are_ignored(workspace: Workspace) -> None:
    given: dict[str, str | None] = {
        f"{FOLDER}/{name}": RIGHT for name in ("README.md", "Feature.yml", "a.yaml", "deep/b.yml")
    }
    workspace.person.push(workspace.repository, "main", given)
    await workspace.settle()
    assert await titles(workspace) == {}


@ON_SQLITE
async def test_one_answer_without_a_file_keeps_the_definition(workspace: Workspace) -> None:
    await push(workspace, feature=RIGHT, release=RIGHT)
    workspace.github.fault("GET", f"/contents/{FOLDER}$", "404")
    await folder_again(workspace)
    assert await titles(workspace) == {"feature": "Build", "release": "Build"}


@ON_SQLITE
async def test_a_command_waits_for_workflow_files_that_were_pushed_before_it(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    workspace.person.push(workspace.repository, "main", {FEATURE: RIGHT})
    workspace.person.comment(issue, "/run feature")
    await workspace.settle()
    rows = await workspace.rows("SELECT name, state FROM workflows WHERE installation_id = :i")
    assert rows == [{"name": "feature", "state": "running"}]
