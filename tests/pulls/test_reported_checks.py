"""What an agent may report as a check, and under which name."""

from fixtures.github.state import CheckRun
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

R = {"repository": "acme/rocket"}


def runs(workspace: Workspace, sha: str) -> list[CheckRun]:
    suites = workspace.repository.check_suites.values()
    return [run for each in suites if each.head_sha == sha for run in each.runs]


@ON_SQLITE
async def test_no_agent_reports_a_check_with_the_name_of_hubbubs_own(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    sha = workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main").sha
    for name in ("Hubbub", " hubBUB "):
        refused = await scout.refusal("github_report_check", **R, sha=sha, name=name)
        assert refused.message == (
            "`name`: Hubbub is the name of Hubbub's own check. Choose another one."
        )


@ON_SQLITE
async def test_no_agent_hides_the_check_of_another_app(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    sha = workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main").sha
    workspace.github.ci.start_check(workspace.repository, sha, "lint")
    await workspace.settle()
    refused = await scout.refusal("github_report_check", **R, sha=sha, name="Lint")
    assert "github-actions has a check with this name" in refused.message


@ON_SQLITE
async def test_a_reported_check_names_the_agent_and_may_be_reported_again(
    workspace: Workspace,
) -> None:
    scout = await workspace.agent("scout", "tester")
    sha = workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main").sha
    for conclusion in ("failure", "success"):
        given = {"sha": sha, "name": "mine", "conclusion": conclusion}
        await scout.call("github_report_check", **R, **given, summary="All 12 tests.")
        await workspace.settle()
    assert [run.progress.conclusion for run in runs(workspace, sha)] == ["failure", "success"]
    assert runs(workspace, sha)[0].output["summary"] == (
        "<sub>`scout` via Hubbub</sub>\n\nAll 12 tests."
    )
