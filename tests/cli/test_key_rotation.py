"""A new secret: what came of the former ones goes on, and is sealed anew."""

import asyncio
import base64
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cachetools import TTLCache

from bot.cli import secret_rotation
from bot.comments import markers
from bot.contexts.contents import LARGEST
from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity import keyring
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.identity.tokens import Tokens
from bot.kernel.operation import Shared
from bot.notifications import targets
from bot.notifications.rules import Rules
from bot.settings import Settings, WrongSettings
from store.engine.database import open_store
from store.engine.transaction import Store, Tx
from store.identity import sealed_rows
from store.notifications import targets as stored_targets
from tests.support.api_keys import add_api_key
from tests.support.command_line import hubbub
from tests.support.server_process import SECRET, environment, settings
from tests.support.story import Agent, Workspace

NEW = "the secret that comes after it, as long"
FORMER, BOTH, ALONE = Keys(SECRET), Keys(NEW, [SECRET]), Keys(NEW)
INSTALLATION = 7


@pytest.fixture
def url(own_url: str) -> str:
    """A database of its own: rotation is of all that it has."""
    return own_url


@pytest.fixture
async def own(url: str) -> AsyncIterator[Store]:
    opened = await open_store(url)
    yield opened
    await opened.close()


def ada(store: Store, of: Keys) -> Agent:
    """In a process that knows these secrets."""
    return Agent(Dispatcher(store, Shared(of)), Actor(INSTALLATION, "ada", "developer"))


async def fill(store: Store, contexts: int = 1, checkpoints: int = 1) -> list[str]:
    """Before the change: an agent, its checkpoint, and contexts of two versions."""
    before = ada(store, FORMER)
    await before.call("register_agent", agent_id="ada", name="Ada")
    if checkpoints:
        await before.call("update_agent", checkpoint={"at": "the first line"})
    made = []
    for n in range(contexts):
        one = (await before.call("create_context", name="plan", content=n))["context"]["id"]
        given = {"context_id": one, "content": [n], "expected_version": 1}
        await before.call("update_context", **given)
        made.append(one)
    return made


async def sealed_under(store: Store) -> dict[str, dict[str, int]]:
    """How many rows of each table that has some are under which secret."""

    async def work(tx: Tx) -> dict[str, dict[str, int]]:
        found = {
            kind.where.table: await sealed_rows.counts(tx, kind.where)
            for kind in secret_rotation.KINDS
        }
        return {table: counts for table, counts in found.items() if counts}

    return await store.read(work)


async def rotate(store: Store, of: Keys, batch: int = 20) -> list[secret_rotation.Batch]:
    return [each async for each in secret_rotation.reseal(store, of, batch)]


async def test_what_the_former_secret_sealed_opens_beside_what_the_new_one_seals(
    own: Store,
) -> None:
    (one,) = await fill(own)
    now = ada(own, BOTH)
    assert (await now.call("get_context", context_id=one))["content"] == [0]
    await now.call("update_context", context_id=one, content=["new"], expected_version=2)
    read = [
        (await now.call("get_context", context_id=one, version=n))["content"] for n in (1, 2, 3)
    ]
    assert read == [0, [0], ["new"]]
    assert await sealed_under(own) == {
        "context_versions": {FORMER.id: 2, BOTH.id: 1},
        "checkpoints": {FORMER.id: 1},
    }
    refused = await ada(own, ALONE).refusal("get_context", context_id=one, version=1)
    assert refused.code == "context_broken"
    assert "HUBBUB_SECRET_KEY_OLD" in refused.message


async def test_files_are_read_during_the_change_and_after_it(own: Store) -> None:
    before = ada(own, FORMER)
    await before.call("register_agent", agent_id="ada", name="Ada")
    given = {"name": "plan.txt", "text": "Mend the pump."}
    file_id = (await before.call("attach_file", **given))["file"]["id"]
    wanted = {"attachment_id": file_id, "inline": True}
    for of in (BOTH, ALONE):
        found = (await ada(own, of).call("get_attachment", **wanted))["inline"]["data"]
        assert base64.b64decode(found) == b"Mend the pump."
        if of is BOTH:
            refused = await ada(own, ALONE).refusal("get_attachment", **wanted)
            assert (refused.code, "HUBBUB_SECRET_KEY_OLD" in refused.message) == (
                "unknown_attachment",
                True,
            )
            assert sum(each.resealed for each in await rotate(own, BOTH)) == 1
    assert await sealed_under(own) == {"blob_chunks": {ALONE.id: 1}}


async def test_a_batch_that_is_sealed_anew_has_a_size(own: Store) -> None:
    n = 5
    noise = secrets.token_bytes(LARGEST // 2).hex()
    before = ada(own, FORMER)
    for _ in range(n):
        await before.call("create_context", name="noise", content=noise)
    done = await rotate(own, BOTH)
    assert sum(each.resealed for each in done) == n
    assert 1 < len(done) < n
    assert await sealed_under(own) == {"context_versions": {ALONE.id: n}}


async def test_after_rotation_the_former_secret_is_not_needed(own: Store) -> None:
    made = await fill(own, contexts=3)
    address, rules = targets.Address("https://hooks.example.com/x", "secret"), Rules()
    target = await own.write(
        lambda tx: targets.add(tx, FORMER, INSTALLATION, "webhook", "ours", address, rules, "")
    )
    done = await rotate(own, BOTH, batch=4)
    assert done == [
        secret_rotation.Batch("context_versions", 4, 0),
        secret_rotation.Batch("context_versions", 2, 0),
        secret_rotation.Batch("checkpoints", 1, 0),
        secret_rotation.Batch("notification_targets", 1, 0),
    ]
    assert await sealed_under(own) == {
        "context_versions": {ALONE.id: 6},
        "checkpoints": {ALONE.id: 1},
        "notification_targets": {ALONE.id: 1},
    }
    row = await own.read(lambda tx: stored_targets.get(tx, INSTALLATION, target["id"]))
    assert row is not None
    assert targets.address_of(ALONE, row) == address
    after = ada(own, ALONE)
    read = [(await after.call("get_context", context_id=one))["content"] for one in made]
    assert read == [[0], [1], [2]]
    agent = await after.call("get_agent", agent_id="ada")
    assert agent["checkpoint"]["state"] == {"at": "the first line"}
    assert await rotate(own, BOTH) == []


async def test_a_rotation_that_was_broken_off_goes_on(own: Store) -> None:
    made = await fill(own, contexts=3)
    begun = secret_rotation.reseal(own, BOTH, batch=2)
    assert await anext(begun) == secret_rotation.Batch("context_versions", 2, 0)
    await begun.aclose()
    both = ada(own, BOTH)
    read = [(await both.call("get_context", context_id=one))["content"] for one in made]
    assert read == [[0], [1], [2]]
    assert sum(each.resealed for each in await rotate(own, BOTH, batch=2)) == 5
    assert (await sealed_under(own))["context_versions"] == {ALONE.id: 6}


async def test_what_cannot_be_opened_stays_and_holds_nothing_up(own: Store) -> None:
    made = await fill(own, contexts=3)

    async def damage(tx: Tx) -> None:
        q = "UPDATE context_versions SET sealed = :s WHERE context_id IN :ids AND version = 1"
        await tx.run(q, s=b"no more than this", ids=tuple(made[:2]))

    await own.write(damage)
    done = await rotate(own, BOTH, batch=1)
    versions = [each for each in done if each.table == "context_versions"]
    assert sorted((each.resealed, each.broken) for each in versions) == [(0, 1)] * 2 + [(1, 0)] * 4
    assert (await sealed_under(own))["context_versions"] == {ALONE.id: 4, FORMER.id: 2}


async def test_a_checkpoint_saved_meanwhile_is_not_undone(own: Store) -> None:
    await fill(own, contexts=2)
    begun = secret_rotation.reseal(own, BOTH, batch=1)
    await anext(begun)
    # By a process that does not know the new secret yet.
    await ada(own, FORMER).call("update_agent", checkpoint={"at": "the last line"})
    async for _ in begun:
        pass
    agent = await ada(own, ALONE).call("get_agent", agent_id="ada")
    assert agent["checkpoint"]["state"] == {"at": "the last line"}


# --- Tokens and marks -----------------------------------------------------------------------------


async def test_tokens_of_each_secret_that_is_known_work(own: Store) -> None:
    async def token(of: Keys) -> str:
        return await own.write(lambda tx: add_api_key(tx, of, INSTALLATION, "ada", "developer"))

    former, new = await token(FORMER), await token(BOTH)
    assert [each.split("_")[1][:8] for each in (former, new)] == [FORMER.id, ALONE.id]
    for of, works in ((FORMER, [former]), (BOTH, [former, new]), (ALONE, [new])):
        tokens = Tokens(own, of)
        for each in (former, new):
            if each in works:
                assert (await tokens.authenticate(each)).name == "ada"
            else:
                with pytest.raises(Refused, match="does not know this token"):
                    await tokens.authenticate(each)
    # The name of another secret in front makes no token of it.
    forged = former.replace(FORMER.id, ALONE.id)
    with pytest.raises(Refused):
        await Tokens(own, BOTH).authenticate(forged)
    left = await secret_rotation.bind(own, BOTH)
    assert left.tokens == {FORMER.id: 1}


def test_marks_of_each_secret_that_is_known_are_ours() -> None:
    text = markers.write(FORMER, "task", "t_1")
    mine = [markers.Marker("task", "t_1")]
    assert markers.find(BOTH, text, ours=True) == mine
    assert markers.find(ALONE, text, ours=True) == []
    assert markers.find(BOTH, markers.write(BOTH, "task", "t_1"), ours=True) == mine


async def test_what_went_out_under_the_former_secret_is_known_again(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    made = await agent.call("create_task", repository="acme/rocket", title="Under way")
    workspace.github.hold_deliveries()
    await workspace.die_while_sending()
    now = Keys(NEW, [workspace.dispatcher.shared.keys._secret.decode()])
    workspace.dispatcher = Dispatcher(workspace.store, Shared(now), touched=TTLCache(1, 0))
    workspace.restart()
    # What the former process would have heard is lost: the mark alone tells.
    await workspace.settle()
    assert [issue.title for issue in workspace.repository.issues.values()] == ["Under way"]
    tasks = await workspace.rows("SELECT id, number FROM tasks WHERE installation_id = :i")
    assert tasks == [{"id": made["task"]["id"], "number": 1}]


# --- The process ----------------------------------------------------------------------------------


async def test_a_database_opens_to_who_knows_the_secret_it_is_bound_to(own: Store) -> None:
    await keyring.check(own, FORMER)
    await keyring.check(own, BOTH)
    with pytest.raises(WrongSettings, match="HUBBUB_SECRET_KEY_OLD"):
        await keyring.check(own, ALONE)
    await secret_rotation.bind(own, BOTH)
    await keyring.check(own, ALONE)
    with pytest.raises(WrongSettings, match=ALONE.id):
        await keyring.check(own, FORMER)


def test_a_former_secret_that_is_too_short_is_named() -> None:
    given: Any = {"secret_key": NEW, "secret_key_old": "short"}
    with pytest.raises(WrongSettings, match="HUBBUB_SECRET_KEY_OLD has 5 characters"):
        keyring.load(Settings(**given), make=False)


def test_several_former_secrets_are_known() -> None:
    older, oldest = secrets.token_hex(20), secrets.token_hex(20)
    # One with a comma in it stands alone.
    for given, known in (
        (f"{older} , {oldest}", {older, oldest}),
        (f"{older},", {older}),
        (SECRET, {SECRET}),
        (f"{older},{oldest}", {f"{older},{oldest}"}),
    ):
        environ: Any = {"secret_key": NEW, "secret_key_old": given}
        loaded = keyring.load(Settings(**environ), make=False)
        assert loaded.id == ALONE.id
        assert {Keys(each).id for each in known} <= {each.id for each in loaded.former}


async def test_the_command_goes_on_where_it_was_killed_and_says_what_is_left(
    own: Store, url: str, tmp_path: Path
) -> None:
    await fill(own, contexts=60)
    await keyring.check(own, FORMER)
    await own.write(lambda tx: add_api_key(tx, FORMER, INSTALLATION, "ada", "developer"))
    alone = settings(url) | {"HUBBUB_SECRET_KEY": NEW}
    both = alone | {"HUBBUB_SECRET_KEY_OLD": SECRET}
    await killed_after_a_line("secret", "rotate", folder=tmp_path, **both)
    code, out, err = await hubbub("secret", "rotate", folder=tmp_path, **both)
    assert (code, err) == (0, "")
    assert f"Tokens made with the old secret {FORMER.id}: 1." in out
    assert f"belongs to the secret with key id {ALONE.id}" in out
    assert await sealed_under(own) == {
        "context_versions": {ALONE.id: 120},
        "checkpoints": {ALONE.id: 1},
    }
    code, _, err = await hubbub("secret", "rotate", folder=tmp_path, **alone)
    assert (code, "HUBBUB_SECRET_KEY_OLD" in err) == (2, True)


async def killed_after_a_line(*arguments: str, folder: Path, **given: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        env=environment(given),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert b"encrypted again" in await process.stdout.readline()
    process.kill()
    await process.communicate()
