"""What those who run it look at: health, readiness, metrics."""

import asyncio
import re
import time
from pathlib import Path

import pytest
import structlog
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bot import logs, settings
from bot.background import sealing
from bot.background.health import Readiness
from bot.operations.agents.views import Health
from store.engine import key_values
from store.engine.database import open_store
from store.engine.mysql import MySQL, Patience
from store.engine.mysql_address import address
from store.engine.transaction import Store, StoreError
from tests.support.engines import ON_SQLITE
from tests.support.mounts import put_in
from tests.support.patience import SOON_S
from tests.support.server_in_process import Surface, serving
from tests.support.story import Workspace
from tests.support.tcp_proxy import network
from tests.support.tracker_rows import put_tracker
from webhooks.metrics import Metrics
from webhooks.refused_signatures import FORGET_AFTER_S, LOG_EVERY_S, RefusedSignatures
from webhooks.shared_answer import TIMES, SharedAnswer

METRICS_PAGE = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text()


@pytest.fixture
def store_url(own_url: str) -> str:
    """A database of its own, because metrics show only the installations that wrote last."""
    return own_url


async def test_it_says_that_it_lives_and_what_it_is(surface: Surface) -> None:
    assert (await surface.send("GET", "/healthz")).data == {"status": "alive"}
    about = await surface.send("GET", "/")
    assert about.status == 200
    assert "/api/v1/openapi.json" in about.data


@pytest.mark.parametrize(
    ("problems", "status", "said"),
    [
        ({}, 200, "ready"),
        ({"github": "it cannot be reached"}, 200, "degraded"),
        ({"worker": "StoreError: away"}, 503, "not ready"),
        ({"github": "it cannot be reached", "mirror": "behind"}, 503, "not ready"),
    ],
)
async def test_it_says_whether_it_can_work_and_why_not(
    surface: Surface, problems: dict[str, str], status: int, said: str
) -> None:
    surface.problems.update(problems)
    answer = await surface.send("GET", "/readyz")
    assert (answer.status, answer.data["status"]) == (status, said)
    assert answer.data["problems"] == problems


async def test_a_database_that_only_answers_reads_is_not_ready_with_sqlite(sqlite_url: str) -> None:
    store = await open_store(sqlite_url)
    assert await Readiness(store, dict).problems() == {}
    await store.write(lambda tx: tx.all("PRAGMA query_only = ON"))
    found = await Readiness(store, lambda: {"github": "away"}).problems()
    assert found.keys() == {"github", "database"}
    assert "attempt to write a readonly database" in found["database"]
    await store.close()


async def test_many_who_ask_for_readiness_share_one_write(store: Store) -> None:
    readiness = Readiness(store, dict, probe_s=SOON_S, fresh_s=10 * SOON_S)
    await asyncio.gather(*(readiness.problems() for _ in range(20)))
    probe = await store.read(lambda tx: key_values.get(tx, "readiness"))
    await asyncio.gather(*(readiness.problems() for _ in range(20)))
    assert await store.read(lambda tx: key_values.get(tx, "readiness")) == probe


async def test_readiness_does_not_wait_for_a_silent_database_on_mysql(
    migrated_mysql_url: str,
) -> None:
    where = address(migrated_mysql_url)
    async with network(where.host, where.port) as between:
        url = migrated_mysql_url.replace(f":{where.port}/", f":{between.port}/")
        store = await MySQL.open(url, None, patience=Patience(close_s=0.1))
        between.cut()
        found = await Readiness(store, dict, probe_s=0.2).problems()
        assert found == {"database": "no answer within 0.2 s"}
        await store.close()


async def test_an_outage_of_the_database_is_503_and_one_line_in_the_log_with_sqlite(
    sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = await open_store(sqlite_url)
    logs.set_up(settings.load())
    try:
        async with serving(store, 1) as surface:
            token = await surface.token("ada")
            await store.write(lambda tx: tx.all("PRAGMA query_only = ON"))
            call = await surface.call(token, "register_agent", agent_id="ada", name="ada")
            delivery = await surface.deliver({"installation": {"id": 1}})
        for answer in (call, delivery):
            assert (answer.status, answer.code) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        written = capsys.readouterr().err
        assert "attempt to write a readonly database" in written
        assert "Traceback" not in written
    finally:
        structlog.reset_defaults()
        await store.close()


async def test_metrics_count_deliveries_and_rows(surface: Surface) -> None:
    for _ in range(2):
        await surface.deliver({"installation": {"id": surface.installation_id}})
    await surface.deliver({}, X_Hub_Signature_256=None)
    answer = await surface.send("GET", "/metrics")
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.data)
        for sample in family.samples
    }
    assert found["hubbub_deliveries_received_total", "issues"] == 2
    assert found["hubbub_http_requests_total", "/webhooks/github", "202"] == 2
    assert found["hubbub_http_requests_total", "/webhooks/github", "401"] == 1
    assert found["hubbub_rows", "deliveries", "received"] >= 2


@ON_SQLITE
async def test_every_metric_is_documented_with_its_kind_and_labels(workspace: Workspace) -> None:
    agent = await workspace.agent("ada")
    await agent.call("update_agent", health=dict.fromkeys(Health.model_fields, 1))
    await agent.call("report_usage", model="m", input_tokens=5, output_tokens=2, cost="0.5")
    issue = workspace.name(await workspace.task())
    claimed = await agent.call("claim_task", task=workspace.name(await workspace.task("Done")))
    await agent.call(
        "update_task_status",
        task=claimed["task"]["task"],
        fence=claimed["task"]["fence"],
        status="completed",
    )
    await agent.write("github_comment_issue", issue=issue, body="sent")
    await workspace.settle()
    await agent.write("github_comment_issue", issue=issue, body="waits")
    await sealing.step(workspace.store, workspace.dispatcher.shared.keys, 0)
    await put_in(workspace, "tickets")
    await put_tracker(workspace, "acme")
    async with serving(workspace.store, workspace.installation.id) as surface:
        with surface.dispatcher.shared.tool_metrics.measure("mcp", "call"):
            pass
        await surface.deliver({"installation": {"id": workspace.installation.id}})
        await surface.deliver({}, X_Hub_Signature_256=None)
        await surface.call(await surface.token(), "list_tasks")
        answer = (await surface.send("GET", "/metrics")).data
    found = {
        (name_of(family), family.type, *sorted(labels_of(family)))
        for family in text_string_to_metric_families(answer)
        if not family.name.endswith("_created")
    }
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", METRICS_PAGE, re.MULTILINE)
    documented = [(name, kind, *sorted(re.findall(r"`(\w+)`", of))) for name, kind, of in rows]
    assert sorted(documented) == sorted(found)


def name_of(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def labels_of(family: Metric) -> set[str]:
    """The labels of a family, without the bounds of a histogram."""
    return {label for sample in family.samples for label in sample.labels} - {"le"}


async def test_a_refused_signature_is_told_until_a_right_one_comes(surface: Surface) -> None:
    await surface.deliver({}, X_Hub_Signature_256="sha256=00")
    answer = await surface.send("GET", "/readyz")
    assert (answer.status, answer.data["status"]) == (200, "degraded")
    told = answer.data["problems"].pop("webhooks")
    assert re.sub(r"\d+ s ago", "just now", told) == (
        "webhooks are refused (signature); the last one just now. Set "
        "HUBBUB_GITHUB_WEBHOOK_SECRET to the webhook secret of the App."
    )
    assert answer.data["problems"] == {}
    await surface.deliver({"installation": {"id": surface.installation_id}})
    assert (await surface.send("GET", "/readyz")).data["status"] == "ready"
    # Anybody can send these.
    await surface.deliver({}, X_Hub_Signature_256=None, X_GitHub_Delivery=None)
    assert (await surface.send("GET", "/readyz")).data["status"] == "ready"
    text = (await surface.send("GET", "/metrics")).data
    assert 'hubbub_signatures_refused_total{reason="wrong"} 1.0' in text
    assert 'hubbub_signatures_refused_total{reason="missing"} 1.0' in text


def test_refused_signatures_are_logged_once_a_minute_with_their_number() -> None:
    times = [0.0]
    refused = RefusedSignatures(now=lambda: times[0])
    assert [refused.record() for _ in range(3)] == [1, None, None]
    times[0] = LOG_EVERY_S
    assert (refused.record(), refused.record()) == (3, None)
    times[0] += FORGET_AFTER_S
    assert refused.problem() is not None
    times[0] += 1
    assert refused.problem() is None


async def test_metrics_count_calls_by_operation_and_outcome(surface: Surface) -> None:
    token = await surface.token("ada")
    await surface.call(token, "list_agents")
    await surface.call(token, "list_agents", bogus=1)
    await surface.call(token, "make_coffee")
    answer = await surface.send("GET", "/metrics")
    found = {
        (sample.labels["operation"], sample.labels["code"]): sample.value
        for family in text_string_to_metric_families(answer.data)
        for sample in family.samples
        if sample.name == "hubbub_operation_seconds_count"
    }
    assert found == {
        ("list_agents", "ok"): 1,
        ("list_agents", "invalid_arguments"): 1,
        ("unknown", "unknown_operation"): 1,
    }


async def test_metrics_tell_what_is_left_and_what_waits_to_be_written(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="One")
    await workspace.settle()
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="Two")
    text = (await Metrics().render(workspace.dispatcher)).decode()
    here = str(workspace.installation.id)
    found = {
        (sample.name, sample.labels.get("resource") or sample.labels.get("author")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("installation") == here
    }
    assert found["hubbub_outbox_waiting", "scout"] == 1
    assert found["hubbub_outbox_spent", "scout"] == 1
    assert 0 < found["hubbub_budget_left", "content"] < found["hubbub_budget_limit", "content"]
    assert found["hubbub_budget_reserved", "core"] > 0
    assert found["hubbub_outbox_empty_seconds", None] > 0


async def test_metrics_that_take_long_are_made_once_for_many_who_ask() -> None:
    times, made = [0.0], list[float]()

    async def count_rows() -> int:
        await asyncio.sleep(0)
        times[0] += 0.5
        made.append(times[0])
        return len(made)

    shared: SharedAnswer[int] = SharedAnswer(now=lambda: times[0])
    assert await asyncio.gather(*(shared.get(count_rows) for _ in range(100))) == [1] * 100
    times[0] += TIMES * 0.5 - 0.01
    assert await shared.get(count_rows) == 1
    times[0] += 0.01
    assert await shared.get(count_rows) == 2


async def test_metrics_that_could_not_be_made_are_made_again() -> None:
    times = [0.0]

    async def fail() -> int:
        raise StoreError("away")

    async def succeed() -> int:
        return 1

    shared: SharedAnswer[int] = SharedAnswer(now=lambda: times[0])
    with pytest.raises(StoreError):
        await shared.get(fail)
    assert await shared.get(succeed) == 1


async def test_strangers_who_ask_for_the_description_take_little_time(surface: Surface) -> None:
    await surface.send("GET", "/api/v1/openapi.json")
    before = time.process_time()
    for _ in range(10):
        assert (await surface.send("GET", "/api/v1/openapi.json")).status == 200
    assert time.process_time() - before < 0.3
