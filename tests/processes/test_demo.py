"""The demo, which newcomers see first: it can be joined, and the docs show it."""

import asyncio
import contextlib
import inspect
import io
import json
import os
import re
import shlex
import signal
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from fixtures import demo
from fixtures.demo import fourth_act, second_act, story, third_act
from fixtures.demo.narration import Narration
from fixtures.demo.stage import PATIENCE_S, Stage, becomes_true, environment_of, hubbub, open_stage
from fixtures.github import SimulatedGitHub

# They join one demo, which lives as long as its loop.
JOINS = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]
CODE_LINK = re.compile(r"\[Get the code\]\((\S+)\)")
CHAPTER = re.compile(r'narration\.chapter\(\s*"([^"]+)"')
# Sentences that never differ; those with times and numbers do.
SENTENCE = re.compile(r'narration\.(?:confirm\(|say\([^,]+,) ?"([^"]+)"')


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """One demo for all tests here that join it."""
    async with open_stage() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lines(stage: Stage) -> AsyncIterator[list[str]]:
    """What is printed for those who join, as long as it stays up."""
    narration, printed = Narration(), io.StringIO()
    repository, person = await story.open_repository(stage, narration)
    await story.open_issues(stage, narration, repository, person)
    with contextlib.redirect_stdout(printed):
        staying = asyncio.create_task(demo.keep_running(stage, narration, repository, person))

        def has_all_lines() -> bool:
            return staying.done() or "All that octocat can do" in printed.getvalue()

        assert await becomes_true(has_all_lines)
    yield printed.getvalue().splitlines()
    staying.cancel()
    await asyncio.gather(staying, return_exceptions=True)


async def paste(line: str, folder: Path) -> str:
    """What it prints in a terminal somewhere else, where no setting is made."""
    ran = await asyncio.create_subprocess_shell(
        line, cwd=folder, env={"PATH": os.defpath}, stdout=PIPE, stderr=PIPE
    )
    out, err = await ran.communicate()
    assert ran.returncode == 0, err.decode()
    return out.decode()


@JOINS
async def test_several_agents_join_the_demo_by_the_lines_it_prints(
    lines: list[str], tmp_path: Path
) -> None:
    [making] = [line for line in lines if "token create" in line]
    [joining, as_second] = [line for line in lines if "register_agent" in line]
    [claiming] = [line for line in lines if "claim_task" in line]
    await paste(joining, tmp_path)
    token = (await paste(making, tmp_path)).strip()
    as_second, claiming = (
        line.replace("HUBBUB_TOKEN=TOKEN", f"HUBBUB_TOKEN={token}")
        for line in (as_second, claiming)
    )
    assert json.loads(await paste(as_second, tmp_path))["agent"]["id"] == "second"
    assert json.loads(await paste(claiming, tmp_path))["task"]["task"] == "acme/rocket#3"
    listed = as_second.partition(" register_agent")[0] + " list_agents"
    found = json.loads(await paste(listed, tmp_path))["agents"]
    assert {each["id"] for each in found} == {"guest", "second"}


async def run_curl(line: str) -> str:
    """What curl prints of it, also where there is none."""
    *options, url = shlex.split(line)[1:]
    data = options[options.index("-d") + 1] if options else None
    async with aiohttp.request("POST" if data else "GET", url, data=data) as response:
        assert response.ok
        return await response.text()


@JOINS
async def test_one_acts_as_octocat_by_the_lines_it_prints(lines: list[str]) -> None:
    hold, look = (line for line in lines if line.startswith("curl "))
    await run_curl(hold)
    async with asyncio.timeout(PATIENCE_S):
        while "+1" not in (said := await run_curl(look)):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.1)
    assert "--- octocat [hubbub[bot]: +1]\n/hold until Monday" in said
    where = lines[-1].rpartition(" ")[2]
    assert "acme/rocket#4" in await run_curl(f"curl -d 'Fuel gauge' {where}/issues")
    assert (await run_curl(f"curl {where}/issues/4")).startswith("#4 Fuel gauge (open) agent-task")
    assert "POST /issues/1 " in await run_curl(lines[-1].partition(": ")[2])
    async with aiohttp.request("POST", f"{where}/pulls/4/merge") as refused:
        assert (refused.status, "no open pull request" in await refused.text()) == (404, True)
    assert "octocat ticked /resume" in await run_curl(f"curl -d /resume {where}/issues/3/tick")
    async with aiohttp.request("POST", f"{where}/issues/3/drag", data="Todo") as refused:
        assert (refused.status, "No board has #3" in await refused.text()) == (404, True)


@JOINS
async def test_the_line_for_a_login_names_the_page_of_the_simulated_github(
    stage: Stage, lines: list[str], tmp_path: Path
) -> None:
    # octocat has two accounts, once the third act is over.
    [logging_in] = [line for line in lines if line.endswith("hubbub login --installation acme")]
    running = await asyncio.create_subprocess_shell(
        f"HOME={tmp_path} exec env {logging_in}",
        cwd=tmp_path,
        env={"PATH": os.defpath},
        stdout=PIPE,
        stderr=STDOUT,
    )
    assert running.stdout is not None
    said = (await running.stdout.readline()).decode()
    running.kill()
    await running.communicate()
    page = f"{stage.github.url}/login/device"
    assert f"Open {page} and enter the code " in said
    assert 'value="octocat"' in await run_curl(f"curl {page}")


async def test_the_demo_reaches_tool_servers_of_the_machine_that_its_viewer_allows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUBBUB_TRUSTED_ORIGINS", "http://127.0.0.1:9000")
    monkeypatch.setenv("HUBBUB_PUBLIC_URL", "https://hubbub.example.com")
    async with SimulatedGitHub() as github:
        settings = environment_of(github, tmp_path)
    assert settings["HUBBUB_TRUSTED_ORIGINS"] == "http://127.0.0.1:9000"
    assert "HUBBUB_PUBLIC_URL" not in settings, "other settings are the demo's own"


@JOINS
async def test_one_logs_in_with_a_browser_and_gets_the_code_of_an_invitation(
    lines: list[str],
) -> None:
    [page] = [line.rpartition(" ")[2] for line in lines if line.startswith("In a browser: ")]
    invited = f"{lines[-1].rpartition(' ')[2]}/issues/3"
    await run_curl(f"curl -d '/agents invite erin' {invited}")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(page) as choice:
            assert "Sign in to the simulated GitHub" in await choice.text()
            back = choice.url.query["return_to"]
        form = {"login": "octocat", "return_to": back}
        async with browser.post(choice.url.origin() / "login", data=form) as consent:
            assert 'name="authorize"' in await consent.text()
            query = dict(consent.url.query) | {"authorize": "1"}
        async with browser.post(consent.url.with_query(None), data=query) as done:
            assert (done.status, done.url.origin()) == (200, URL(page).origin())
            assert "octocat" in await done.text()
        async with asyncio.timeout(PATIENCE_S):
            while not (link := CODE_LINK.search(await run_curl(f"curl {invited}"))):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
        async with browser.post(link[1]) as shown:
            assert "hubbub token redeem CODE" in await shown.text()


async def test_a_demo_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    given = {"PATH": os.defpath, "TMPDIR": str(tmp_path)}
    # As a script starts it in the background.
    script = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
    playing = await asyncio.create_subprocess_exec(
        *script, *hubbub("demo", "--keep"), env=given, stdout=PIPE, stderr=PIPE
    )
    assert playing.stdout is not None
    while b"agent-task" not in (line := await playing.stdout.readline()):
        assert line, "the demo ended before it printed the card"
    assert os.listdir(tmp_path)  # noqa: PTH208 - a test's folder
    playing.send_signal(signal.SIGINT)
    _, err = await playing.communicate()
    assert (playing.returncode, err.decode()) == (0, "")
    assert os.listdir(tmp_path) == []  # noqa: PTH208


# The whole story as code, in the order in which it is played.
ACTS = "".join(inspect.getsource(each) for each in (story, second_act, third_act, fourth_act))


def test_the_docs_show_the_steps_of_the_demo_from_the_third_on() -> None:
    told = [f"{n}. {title}" for n, title in enumerate(CHAPTER.findall(ACTS), 1)]
    assert len(told) == 28
    sample = (ROOT / "docs/tutorials/demo.md").read_text()
    assert re.findall(r"^\d+\. .+$", sample, re.MULTILINE) == told[2:]


def test_the_docs_have_the_sentences_of_the_demo_from_the_third_step_on() -> None:
    sentences = SENTENCE.findall(ACTS[ACTS.index("Three agents connect") :])
    assert len(sentences) > 20
    sample = (ROOT / "docs/tutorials/demo.md").read_text()
    assert [each for each in sentences if each not in sample] == []
