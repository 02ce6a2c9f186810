"""`hubbub setup` against the simulated GitHub, over HTTP. On SQLite: the engine plays no part."""

import json
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from dotenv import dotenv_values

from bot.cli import setup_options
from bot.cli.setup import Options
from bot.cli.setup_choices import Choices
from bot.cli.setup_clients import ClientChoice
from bot.settings import WrongSettings
from bot.setup.failures import SetupFailed
from bot.setup.journal import NAME
from bot.setup.program import typed_name
from fixtures.github import SimulatedGitHub
from tests.support.setups import PUBLIC, Desk, open_desk
from tests.support.web_forms import page_of
from tests.support.web_gateway import enterprise_server


@pytest.fixture
async def desk(
    openapi: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    for name in [each for each in os.environ if each.startswith("HUBBUB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    async with SimulatedGitHub(openapi=openapi) as github, open_desk(github, tmp_path) as made:
        # Nothing goes out to the address of the server, which does not exist.
        github.lose_deliveries(1.0)
        github.repository("acme/rocket")
        github.add_member("acme", "octocat")
        github.repository("octocat/notes")
        yield made
        assert github.violations == []


def values(desk: Desk) -> dict[str, str | None]:
    return dotenv_values(desk.env)


@pytest.mark.parametrize(
    ("organization", "owner"), [("acme", "acme"), ("", "octocat")], ids=["organization", "person"]
)
async def test_three_clicks_make_and_install_an_app(
    desk: Desk, organization: str, owner: str
) -> None:
    desk.github.person("octocat")
    running = desk.start(organization=organization)
    reviewed = await desk.create(await running.page(), name="Our Hubbub")
    app = desk.github.app
    assert (reviewed.status, app.owner.login, app.slug) == (200, owner, "our-hubbub")
    key = desk.folder / "our-hubbub.private-key.pem"
    for line in (f"HUBBUB_GITHUB_APP_ID={app.id}", str(key), f"HUBBUB_PUBLIC_URL={PUBLIC}"):
        assert line in reviewed.text
    for hidden in (app.client_secret, app.webhook_secret):
        assert hidden not in reviewed.text
    assert not key.exists()  # nothing is written before the person agrees
    await desk.install(reviewed)
    assert await running.task == 0
    assert desk.browser.clicks == [
        f"Create GitHub App for {owner}",
        "Write the settings and install the App",
        f"Install on {owner}",
    ]
    assert values(desk) == {
        "HUBBUB_GITHUB_API_URL": desk.github.url,
        "HUBBUB_DATABASE_URL": f"sqlite:///{desk.folder / 'hubbub.db'}",
        "HUBBUB_GITHUB_APP_ID": str(app.id),
        "HUBBUB_GITHUB_PRIVATE_KEY": str(key),
        "HUBBUB_GITHUB_CLIENT_ID": app.client_id,
        "HUBBUB_GITHUB_CLIENT_SECRET": app.client_secret,
        "HUBBUB_PUBLIC_URL": PUBLIC,
        "HUBBUB_GITHUB_WEBHOOK_SECRET": app.webhook_secret,
    }
    assert key.read_text() == app.private_key
    assert [stat.S_IMODE(each.stat().st_mode) for each in (desk.env, key)] == [0o600, 0o600]
    assert not (desk.folder / NAME).exists()
    assert app.webhook_url == f"{PUBLIC}/webhooks/github"
    assert app.callback_urls == [f"{PUBLIC}/login/callback"]
    assert [each.account.login for each in desk.github.world.installations.values()] == [owner]
    assert [each for each in running.said if "WRONG" in each] == []


async def test_pull_needs_no_address(desk: Desk) -> None:
    running = desk.start(pull=True, public_url="")
    await desk.install(await desk.create(await running.page()))
    assert await running.task == 0
    found = values(desk)
    assert (found["HUBBUB_INTAKE"], "HUBBUB_GITHUB_WEBHOOK_SECRET" in found) == ("pull", False)
    # GitHub keeps a log only of an active webhook.
    assert desk.github.app.webhook_url == "https://example.invalid/webhooks/github"


async def test_a_name_that_is_taken_can_be_changed_on_github(desk: Desk) -> None:
    running = desk.start(name="Hubbub")
    refused = await desk.create(await running.page())
    assert (refused.status, "Name is already taken" in refused.text) == (422, True)
    reviewed = await desk.browser.click(refused, name="Hubbub of ours")
    assert (reviewed.status, desk.github.app.slug) == (200, "hubbub-of-ours")


async def test_the_app_of_somebody_else_is_not_taken(desk: Desk) -> None:
    """Another user of the machine may find out the page's address, and with it the state."""
    running = desk.start(organization="acme")
    url = await running.page()
    page = await desk.browser.open(url)
    page.forms[0].action = page.forms[0].action.replace("/organizations/acme", "")
    there = await desk.browser.submit(await desk.browser.submit(page), login="octocat")
    back = await desk.browser.click(there)
    assert (back.status, "belongs to octocat, not to acme" in back.text) == (409, True)
    assert "HUBBUB_GITHUB_APP_ID" not in values(desk)
    reviewed = await desk.create(url, name="Ours")
    assert reviewed.status == 200
    assert "It belongs to <b>acme</b>" in reviewed.text


async def test_an_app_is_not_lost_because_its_answer_cannot_be_stored(desk: Desk) -> None:
    """As in a folder that became read-only, or on a full disk."""
    running = desk.start(organization="acme")
    url = await running.page()
    stored = desk.folder / NAME
    stored.unlink()
    stored.mkdir()
    failed = await desk.create(url)
    assert (failed.status, "Cannot write" in failed.text) == (409, True)
    stored.rmdir()
    reviewed = await desk.browser.open(url)
    assert (reviewed.status, reviewed.title) == (200, f"GitHub created {desk.github.app.name}")
    await desk.install(reviewed)
    assert await running.task == 0
    assert values(desk)["HUBBUB_GITHUB_APP_ID"] == str(desk.github.app.id)


async def test_a_code_works_once_and_only_with_the_state_of_the_setup(desk: Desk) -> None:
    running = desk.start()
    url = await running.page()
    start = url.rstrip("/")
    state = (await desk.browser.open(url)).forms[0].action.partition("state=")[2]
    foreign = await desk.browser.open(f"{start}/created?{urlencode({'code': 'a1', 'state': 'x'})}")
    assert (foreign.status, foreign.title) == (400, "This App was not created in this setup")
    unknown = await desk.browser.open(
        f"{start}/created?{urlencode({'code': 'a1', 'state': state})}"
    )
    assert (unknown.status, "works once, for an hour" in unknown.text) == (409, True)
    strange = await desk.browser.open(
        f"{start}/created?{urlencode({'code': '../x', 'state': state})}"
    )
    assert (strange.status, "not GitHub&#x27;s code" in strange.text) == (409, True)
    assert await desk.browser.open(f"{start}/review")  # leads back: there is no App yet
    assert "HUBBUB_GITHUB_APP_ID" not in values(desk)
    # After all that, the right answer still works, and a second load does no harm.
    reviewed = await desk.create(url)
    code = next(
        each for each in desk.github.requests if "app-manifests" in each.path and each.status == 201
    )
    again = await desk.browser.open(
        f"{start}/created?{urlencode({'code': code.path.split('/')[2], 'state': state})}"
    )
    assert (reviewed.title, again.title) == (reviewed.title, reviewed.title)


async def test_an_expired_code_is_refused(desk: Desk) -> None:
    code = desk.github.world.registrations.make_code(desk.github.world.clock.now() - 3600)
    with pytest.raises(SetupFailed, match="works once, for an hour"):
        await desk.start(Options(code=code)).task


@pytest.mark.parametrize("step", ["opened", "created", "written"])
async def test_a_setup_that_was_killed_goes_on_where_it_was(desk: Desk, step: str) -> None:
    first = desk.start(organization="acme")
    url = await first.page()
    page = await desk.browser.open(url)
    if step != "opened":
        page = await desk.create(url)
    if step == "written":
        await desk.browser.click(page)
        await first.says("Waiting until")
    before, clicks = desk.env.read_bytes(), len(desk.browser.clicks)
    await first.kill()
    second = desk.start(organization="acme")
    again = await second.page() if step != "written" else ""
    if step == "opened":
        assert again == url  # a browser on its way back still arrives
        page = await desk.create(again)
        await desk.install(page)
    elif step == "created":
        assert any("was created before" in each for each in second.said)
        await desk.install(await desk.browser.open(again))
    else:
        there = await desk.browser.open(
            f"{desk.github.url}/apps/{desk.github.app.slug}/installations/new"
        )
        await desk.browser.click(there)
        assert desk.env.read_bytes() == before
    assert await second.task == 0
    created = [each for each in desk.github.requests if "app-manifests" in each.path]
    assert (len(created), clicks <= 2) == (1, True)
    assert values(desk)["HUBBUB_GITHUB_APP_ID"] == str(desk.github.app.id)


async def test_what_is_in_the_file_stays_and_its_webhook_secret_is_set_on_github(
    desk: Desk,
) -> None:
    kept = desk.env.read_text() + (
        "# my notes, without an end of line\r\nOTHER='a b' # why\n"
        "HUBBUB_GITHUB_WEBHOOK_SECRET=the one that I have\nHUBBUB_GITHUB_APP_ID=\nLAST=1"
    )
    desk.env.write_text(kept, newline="")
    desk.env.chmod(0o644)
    running = desk.start()
    await desk.install(await desk.create(await running.page()))
    assert await running.task == 0
    text = desk.env.read_bytes().decode()
    assert text.startswith(kept + "\r\n")
    assert values(desk)["HUBBUB_GITHUB_WEBHOOK_SECRET"] == "the one that I have"
    assert desk.github.app.webhook_secret == "the one that I have"
    assert stat.S_IMODE(desk.env.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("lines", "given", "says"),
    [
        ("HUBBUB_GITHUB_CLIENT_ID=Iv1", {}, "HUBBUB_GITHUB_APP_ID is not"),
        ("HUBBUB_PUBLIC_URL=https://a.example", {}, "HUBBUB_PUBLIC_URL is https://a.example"),
        ("HUBBUB_INTAKE=webhook", {"pull": True}, "HUBBUB_INTAKE has another value"),
        ("", {"public_url": ""}, "Pass --public-url"),
        ("", {"public_url": "hubbub.example.com"}, "must be an address"),
        ("", {"organization": "a/b"}, "not the login of an organization"),
        ("", {"name": "x" * 35}, "1 to 34 characters"),
        ("", {"github": "https://ghe.example.com"}, "the settings name http://127.0.0.1"),
    ],
)
async def test_what_does_not_fit_is_refused_before_an_app_is_made(
    desk: Desk, lines: str, given: dict[str, Any], says: str
) -> None:
    desk.env.write_text(f"{desk.env.read_text()}{lines}\n")
    before = desk.env.read_bytes()
    with pytest.raises(WrongSettings, match=says):
        await desk.start(**given).task
    assert (desk.env.read_bytes(), desk.github.requests) == (before, [])


async def test_github_com_cannot_reach_this_machine(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("")
    for url in ("http://127.0.0.1:8080", "http://localhost:8080", "http://10.1.2.3"):
        options = Options(Choices(public_url=url), env=env)
        with pytest.raises(WrongSettings, match=r"github.com cannot reach .* --pull"):
            await setup_options.link_lines(options)


async def test_only_one_setup_runs_in_a_folder(desk: Desk) -> None:
    first = desk.start()
    await first.page()
    with pytest.raises(WrongSettings, match="Another `hubbub setup` runs"):
        await desk.start().task


async def test_the_page_answers_only_those_who_have_its_address(desk: Desk) -> None:
    running = desk.start()
    url = await running.page()
    reviewed = await desk.create(url)
    forged = await desk.browser.submit(reviewed, token="x")
    assert (forged.status, "HUBBUB_GITHUB_APP_ID" in values(desk)) == (403, False)
    port = urlsplit(url).port
    assert (await desk.browser.open(f"http://127.0.0.1:{port}/")).status == 404
    page = await desk.browser.open(url)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy
    async with desk.browser.session.get(url, headers={"Host": "rebound.example"}) as answer:
        assert answer.status == 421


async def test_a_person_without_a_local_browser_pastes_the_address(desk: Desk) -> None:
    form = desk.folder / "form.html"
    running = desk.start(Options(form=form), attended=True, organization="acme")
    await running.says("form.html")
    assert stat.S_IMODE(form.stat().st_mode) == 0o600, "it has the secret part of the address"
    there = await desk.browser.submit(page_of("", form.read_text()), login="octocat")
    # The browser on another machine cannot open the address, but shows it.
    desk.browser.follows = False
    address = (await desk.browser.click(there)).headers["Location"]
    desk.browser.follows = True
    desk.answers.put_nowait("https://elsewhere.example/?code=a&state=b")
    desk.answers.put_nowait(address)
    desk.answers.put_nowait("yes")
    assert (await running.page()).endswith("/installations/new")
    assert any("belongs to another run" in each for each in running.said)
    await desk.browser.click(
        await desk.browser.open(f"{desk.github.url}/apps/hubbub-acme/installations/new")
    )
    assert (await running.page()).endswith("/done")


async def test_the_link_fills_in_githubs_form_and_the_key_file_ends_it(desk: Desk) -> None:
    options = Options(Choices(organization="acme", public_url=PUBLIC), env=desk.env)
    link, *_, then = await setup_options.link_lines(options)
    given = f"--org acme --public-url {PUBLIC} --app-id ID --private-key FILE.pem"
    assert then == f"{typed_name()} setup {given}"
    shown = await desk.browser.open(f"{link}&login=octocat")
    made = await desk.browser.click(shown)
    key = await desk.browser.click(made)
    app = desk.github.app
    assert (app.owner.login, app.webhook_url) == ("acme", f"{PUBLIC}/webhooks/github")
    (desk.folder / "downloaded.pem").write_text(key.text)
    options = Options(app_id=str(app.id), private_key=desk.folder / "downloaded.pem", agrees=True)
    running = desk.start(options, organization="acme")
    await desk.browser.click(await desk.browser.open(await running.page()))
    assert await running.task == 0
    secret = values(desk)["HUBBUB_GITHUB_WEBHOOK_SECRET"]
    assert secret
    assert (app.webhook_secret, len(secret)) == (secret, 64)


async def test_an_enterprise_server_has_its_api_at_another_path(
    openapi: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with (
        SimulatedGitHub(openapi=openapi) as github,
        enterprise_server(github.url) as web,
        open_desk(github, tmp_path) as desk,
    ):
        github.person("octocat")
        github.lose_deliveries(1.0)
        desk.env.write_text("")
        running = desk.start(github=web, public_url="http://10.0.0.7:8080")
        await desk.install(await desk.create(await running.page(), name="At work"))
        assert await running.task == 0, running.said
        assert values(desk)["HUBBUB_GITHUB_API_URL"] == f"{web}/api/v3"


async def test_clients_get_a_token_and_agents_a_guide(desk: Desk) -> None:
    names = ("claude-code", "codex", "cursor", "vscode", "roo", "gemini")
    guide = desk.folder / "AGENTS.md"
    guide.write_text("# Ours\n")
    options = Options(clients=ClientChoice(names), agents_md=guide)
    running = desk.start(options)
    await desk.install(await desk.create(await running.page()))
    assert await running.task == 0
    home = desk.folder / "home"
    written = sorted(str(each.relative_to(home)) for each in home.rglob("*") if each.is_file())
    assert written == [
        ".claude.json",
        ".codex/config.toml",
        ".config/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        ".config/Code/User/mcp.json",
        ".cursor/mcp.json",
        ".gemini/settings.json",
    ]
    assert {stat.S_IMODE((home / each).stat().st_mode) for each in written} == {0o600}
    with sqlite3.connect(desk.folder / "hubbub.db") as database:
        agents = [
            name for (name,) in database.execute("SELECT actor FROM credentials ORDER BY actor")
        ]
    database.close()
    assert agents == sorted(names)
    entry = json.loads((home / ".cursor/mcp.json").read_text())["mcpServers"]["hubbub"]
    assert entry["url"] == f"{PUBLIC}/mcp"
    assert guide.read_text().startswith("# Ours\n\n<!-- hubbub: begin -->\n## Working with")


async def test_the_page_connects_clients_too(desk: Desk) -> None:
    running = desk.start(attended=True, organization="acme")
    await desk.install(await desk.create(await running.page()))
    done = await desk.browser.open(await running.page())
    assert done.title == "The App is installed on acme"
    unticked = await desk.browser.submit(done, 0)
    assert "No client is ticked." in unticked.text
    connected = await desk.browser.submit(done, 0, client="gemini")
    assert ".gemini/settings.json connects the agent gemini" in connected.text
    ended = await desk.browser.submit(connected, 1)
    assert (ended.title, await running.task) == ("The setup is complete", 0)


@pytest.mark.parametrize("ends_by", ["Finish", "Enter"])
async def test_a_browser_behind_a_tunnel_gets_the_last_page_too(desk: Desk, ends_by: str) -> None:
    running = desk.start(attended=True, has_browser=False, organization="acme")
    await running.says("Open this address in a browser: ")
    [told] = [each for each in running.said if each.startswith("Open this address")]
    ports = [urlsplit(each).port for each in (told.split()[6], desk.github.url)]
    assert " ".join(f"-L {each}:127.0.0.1:{each}" for each in ports) in told
    await desk.install(await desk.create(told.split()[6]))
    await running.says("To connect agents, open ")
    if ends_by == "Enter":
        desk.answers.put_nowait("")
    else:
        done = await desk.browser.open(running.said[-1].split()[4])
        await desk.browser.submit(done, 1)
    assert await running.task == 0
    assert ("Then connect agents" in running.said[-1]) == (ends_by == "Enter")
    assert f"{typed_name()} serve" in running.said[-1]


def test_a_printed_command_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "my tools"
    folder.mkdir()
    python, program = str(folder / "python"), folder / "hubbub"
    assert typed_name(python) == f"'{python}' -m hubbub"
    program.touch(mode=0o755)
    assert typed_name(python) == f"'{program}'"
    (tmp_path / "hubbub").symlink_to(program)
    assert typed_name(python) == "hubbub"
