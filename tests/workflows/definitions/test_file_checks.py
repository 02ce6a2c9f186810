"""Hubbub's check on pull requests that change workflow files."""

from bot.repository.settings_file import PATH
from fixtures.github import Pull
from tests.pulls.test_checks import checks, claim, shown, writes
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace
from tests.workflows.definitions.test_workflow_files import (
    FEATURE,
    FOLDER,
    RIGHT,
    WRONG,
    files_read,
    titles,
)

PROBLEM = "steps.build: has no body; say what to do"


async def propose(workspace: Workspace, files: dict[str, str | None], head: str = "fix") -> Pull:
    workspace.person.push(workspace.repository, head, files, base="main")
    pull: Pull = workspace.person.open_pull(workspace.repository, title="Workflows", head=head)
    await workspace.settle()
    return pull


async def test_a_wrong_file_fails_the_check_with_its_line_until_it_is_right(
    workspace: Workspace,
) -> None:
    pull = await propose(workspace, {FEATURE: WRONG})
    (check,) = checks(workspace, pull.head_sha)
    assert shown(workspace, pull) == ("failure", "feature.yml is no valid workflow file")
    assert check.output["summary"].startswith(
        f"`{FEATURE}` cannot be used as a workflow file:\n  - `line 2: {PROBLEM}`\n\n"
    )
    assert check.output["annotations"] == [
        {
            "path": FEATURE,
            "start_line": 2,
            "end_line": 2,
            "annotation_level": "failure",
            "message": PROBLEM,
        }
    ]
    workspace.person.push(workspace.repository, "fix", {FEATURE: RIGHT})
    await workspace.settle()
    assert shown(workspace, pull) == ("success", "The workflow files are valid")


async def test_wrong_settings_fail_the_check_with_their_lines(workspace: Workspace) -> None:
    chain = (
        "tools:\n  a:\n    description: Hm\n    steps:\n      - {id: b, call: x__y, needs: [z]}\n"
    )
    pull = await propose(workspace, {PATH: chain, FEATURE: RIGHT})
    assert shown(workspace, pull) == ("failure", "hubbub.yml is no valid settings file")
    (check,) = checks(workspace, pull.head_sha)
    (note,) = check.output["annotations"]
    assert (note["path"], note["start_line"]) == (PATH, 5)
    assert note["message"] == "tools.a.steps.0.needs.0: names no step: z; the steps are b"
    workspace.person.push(workspace.repository, "fix", {PATH: "lease_s: 60\n"})
    await workspace.settle()
    assert shown(workspace, pull) == ("success", "The files for Hubbub are valid")
    # The same content is right in one place and wrong in the other.
    workspace.person.push(workspace.repository, "fix", {PATH: RIGHT})
    await workspace.settle()
    assert shown(workspace, pull) == ("failure", "hubbub.yml is no valid settings file")


async def test_a_file_is_read_once_for_the_check_and_the_default_branch(
    workspace: Workspace,
) -> None:
    pull = await propose(workspace, {FEATURE: RIGHT, f"{FOLDER}/other.yml": WRONG})
    assert len(files_read(workspace)) == 2
    assert writes(workspace) == 1
    workspace.person.merge(pull)
    await workspace.settle()
    assert await titles(workspace) == {"feature": "Build", "other": None}
    assert len(files_read(workspace)) == 3, "only the folder was read"


@ON_SQLITE
async def test_annotations_are_sent_once_for_each_head(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.push(workspace.repository, "fix", {FEATURE: WRONG}, base="main")
    body = f"Closes #{issue.number}"
    pull = workspace.person.open_pull(workspace.repository, title="W", head="fix", body=body)
    await workspace.settle()
    await claim(workspace, await workspace.agent("scout"), issue)
    await workspace.settle()
    (check,) = checks(workspace, pull.head_sha)
    assert check.output["title"] == f"scout holds #{issue.number} (and 1 more)"
    assert len(check.output["annotations"]) == 1


@ON_SQLITE
async def test_a_file_with_another_name_is_told_so(workspace: Workspace) -> None:
    pull = await propose(workspace, {f"{FOLDER}/feature.yaml": RIGHT})
    (check,) = checks(workspace, pull.head_sha)
    assert check.progress.conclusion == "failure"
    assert "letters, digits and hyphens, and .yml" in check.output["summary"]
    assert check.output["annotations"][0]["start_line"] == 1


@ON_SQLITE
async def test_other_pull_requests_get_no_check(workspace: Workspace) -> None:
    await propose(workspace, {FEATURE: RIGHT})
    for n, path in enumerate([f"{FOLDER}/README.md", "feature.yml"]):
        pull = await propose(workspace, {path: WRONG}, f"other-{n}")
        assert checks(workspace, pull.head_sha) == []
    removed = await propose(workspace, {FEATURE: None}, "removed")
    assert checks(workspace, removed.head_sha) == []


@ON_SQLITE
async def test_a_repository_may_ignore_wrong_files(workspace: Workspace) -> None:
    settings: dict[str, str | None] = {".github/hubbub.yml": "check: {workflow_files: ignore}"}
    workspace.person.push(workspace.repository, "main", settings)
    pull = await propose(workspace, {FEATURE: WRONG})
    assert shown(workspace, pull)[0] == "success"


async def test_the_file_of_an_agents_pull_request_is_checked(workspace: Workspace) -> None:
    scout, issue = await workspace.agent("scout", "tech-lead"), await workspace.task()
    mine = await claim(workspace, scout, issue)
    files = [{"path": FEATURE, "content": WRONG}]
    await scout.call("github_commit_files", **mine, branch="fix", files=files, message="Workflow")
    await scout.call("github_create_pr", **mine, head="fix", title="Workflow")
    await workspace.settle()
    pull = workspace.repository.pulls[max(workspace.repository.pulls)]
    assert shown(workspace, pull)[0] == "failure"


@ON_SQLITE
async def test_only_a_tech_lead_may_commit_workflow_files(workspace: Workspace) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    mine = await claim(workspace, scout, issue)
    files = [{"path": FEATURE, "content": RIGHT}]
    refused = await scout.refusal(
        "github_commit_files", **mine, branch="fix", files=files, message="Workflow"
    )
    assert refused.code == "forbidden"
    assert refused.message.startswith(f"{FEATURE} says what agents do in acme/rocket. Only a")
