"""The page about GitHub Actions, the action, and the workflows that the page shows."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.repository.run_settings import OWN_INPUTS
from fixtures.github.ci import AGENT_INPUTS
from fixtures.github.runner.workflow_files import triggers

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/run-an-agent-in-github-actions.md").read_text()
RECIPES = sorted((ROOT / "docs/how-to/actions").glob("*.yml"))
ACTION = ROOT / ".github/actions/agent"
READS = {"contents": "read", "id-token": "write"}


def load(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def rows(heading: str) -> list[list[str]]:
    """The first cells of the rows of each table with this heading."""
    tables = re.findall(rf"^\| {heading} \| .*\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [re.findall(r"^\| `([\w-]+)`", each, re.MULTILINE) for each in tables]


def test_the_page_has_each_input_and_output_of_the_action() -> None:
    start, finish = load(ACTION / "action.yml"), load(ACTION / "finish/action.yml")
    assert rows("input") == [[*start["inputs"]], [*finish["inputs"]]]
    assert rows("output") == [[*start["outputs"]]]


def test_the_page_shows_each_recipe() -> None:
    shown = re.findall(r"literalinclude\} actions/(\S+)", PAGE)
    kept = [each.name for each in (ROOT / "docs/how-to/actions").iterdir()]
    assert sorted(shown) == sorted(kept)


def jobs(path: Path) -> list[dict[str, Any]]:
    return list(load(path)["jobs"].values())


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_declares_the_inputs_and_no_permission_to_write(path: Path) -> None:
    recipe = load(path)
    assert tuple(triggers(recipe)["workflow_dispatch"]["inputs"]) == OWN_INPUTS == AGENT_INPUTS
    assert "${{ inputs.hubbub_run }}" in recipe["run-name"]
    assert recipe["permissions"] == {}
    assert [each["permissions"] for each in jobs(path)] == [READS]


@pytest.mark.parametrize(
    "path", [*RECIPES, ROOT / ".github/workflows/hubbub-agent.yml"], ids=lambda path: path.stem
)
def test_a_job_reports_its_result_whatever_happened_and_keeps_no_credentials(path: Path) -> None:
    for job in jobs(path):
        if "uses" in job:
            continue
        assert job["permissions"] == READS
        steps = {each["uses"].partition("@")[0]: each for each in job["steps"] if "uses" in each}
        assert steps["actions/checkout"]["with"]["persist-credentials"] is False
        assert job["steps"][-1]["uses"] == "$/.github/actions/agent/finish"
        assert job["steps"][-1]["if"] == "always()"


def test_the_workflow_for_gh_aw_lets_its_gateway_send_the_token() -> None:
    text = (ROOT / "docs/how-to/actions/gh-aw.md").read_text()
    _, head, body = text.split("---\n", 2)
    front = yaml.safe_load(head)
    server = front["mcp-servers"]["hubbub"]
    assert server["auth"] == {"type": "github-oidc", "audience": server["url"].removesuffix("/mcp")}
    assert tuple(triggers(front)["workflow_dispatch"]["inputs"]) == OWN_INPUTS
    assert front["permissions"] == READS
    assert {"register_agent", "claim_task", "update_agent"} <= set(re.findall(r"`(\w+)`", body))
