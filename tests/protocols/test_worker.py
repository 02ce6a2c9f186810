"""The process that runs tasks with models: started when needed, ends with its parent."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from bot.background import model_worker
from bot.background.model_worker import ModelWorker
from bot.cli import worker as worker_process
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from bot.protocols.courier import Courier
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Store
from store.protocols.endpoint_deliveries import TOPIC
from tests.support.model_endpoint import Model, open_model
from tests.support.patience import SOON_S
from tests.support.server_process import SECRET, environment, settings

RUN = (sys.executable, "-m", "bot", "worker", "--child")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path}/hubbub.db"
    upgrade(url)
    opened = await open_store(url)
    yield opened
    await opened.close()


async def call(store: Store, model: Model, **given: Any) -> None:
    shared = Shared(Keys(SECRET), trusted_origins=frozenset({model.url.removesuffix("/v1")}))
    person = Actor(1, "@octocat", "tech-lead")
    await Dispatcher(store, shared).call(
        person, "manage_agent_endpoint", {"agent_id": "coder", **given}
    )


async def test_a_worker_is_started_for_what_is_due_and_ends_with_its_parent(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_worker, "STOP_S", SOON_S)
    asked = asyncio.Event()
    async with open_model() as model:
        given = settings(f"sqlite:///{tmp_path}/hubbub.db") | {
            "HUBBUB_TRUSTED_ORIGINS": model.url.removesuffix("/v1")
        }
        worker = ModelWorker(store, RUN, environment(given))
        await worker.step()
        assert not worker.is_running
        wanted = {"protocol": "openai", "url": model.url, "options": {"model": "m-1"}}
        await call(store, model, action="set", **wanted)
        await call(store, model, action="test")

        def note(_: dict[str, Any]) -> dict[str, Any]:
            asked.set()
            return {"content": "ready", "finish": "stop"}

        model.last = note
        await worker.step()
        assert worker.is_running
        process = worker.process
        async with asyncio.timeout(60):
            await asked.wait()
        await worker.finish()
        assert process is not None
        assert process.returncode == 0
    (row,) = await store.read(lambda tx: tx.all("SELECT state FROM endpoint_deliveries"))
    assert row["state"] == "delivered"


async def test_what_becomes_due_while_the_worker_looks_does_not_wait_for_the_next_look(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "LOOK_EVERY_S", 3600)
    must_stop, steps = asyncio.Event(), list[int]()

    class Looking:
        is_busy = False

        async def step(self) -> int:
            steps.append(1)
            if len(steps) == 1:
                store.bell.ring({TOPIC})
            else:
                must_stop.set()
            return 0

    async with asyncio.timeout(SOON_S):
        await worker_process._loop(store, cast("Courier", Looking()), must_stop, None)
    assert len(steps) == 2


async def test_a_worker_that_dies_is_started_again_but_not_at_once(store: Store) -> None:
    async with open_model() as model:
        wanted = {"protocol": "openai", "url": model.url, "options": {"model": "m-1"}}
        await call(store, model, action="set", **wanted)
        await call(store, model, action="test")
    worker = ModelWorker(store, (sys.executable, "-c", "raise SystemExit(3)"))
    await worker.step()
    assert worker.process is not None
    assert await worker.process.wait() == 3
    await worker.step()
    assert not worker.is_running
    missing = ModelWorker(store, ("/nowhere/hubbub",))
    await missing.step()
    assert not missing.is_running
