"""Traces: one change is followed from a webhook or a call to GitHub, by the real exporter."""

import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from bot import logs, settings, tracing
from bot.settings import WrongSettings
from bot.tracing.exporting import exporter_name, open_tracing
from bot.tracing.traced_store import TracedStore, with_spans
from store.engine.transaction import Store
from tests.support.engines import ON_SQLITE
from tests.support.otlp_receiver import Collector, collecting
from tests.support.server_in_process import serving
from tests.support.story import Clock, open_workspace

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{CALLER}-00f067aa0ba902b7-01"
SECRET = "ghp_" + "a" * 36


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector, to which the environment says that traces go."""
    async with collecting() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        yield made


async def test_a_trace_goes_from_the_webhook_to_the_write_on_github(
    collector: Collector, store: Store, clock: Clock, openapi: Path | None
) -> None:
    async with open_tracing():
        assert isinstance(with_spans(store), TracedStore)
        async with open_workspace(TracedStore(store), clock, openapi) as workspace:
            issue = await workspace.task()
            workspace.person.comment(issue, f"/hold the words {SECRET} are secret")
            await workspace.settle()
    (received,) = collector.named("receive issue_comment")[:1]
    names = collector.in_trace(received.trace)
    system = {"sqlite": "sqlite"}.get(store.dialect, store.dialect)
    assert {
        "receive issue_comment",
        "process issue_comment",
        "command hold",
        f"read {system}",
        f"write {system}",
    } <= set(names)
    # A request for several writes has a trace of its own, with links.
    sent = [each for each in collector.spans if each.name.startswith("send ")]
    assert any(received.trace in {each.trace, *each.links} for each in sent)

    by_id = {each.id: each for each in collector.spans}
    command = next(each for each in collector.named("command hold") if each.trace == received.trace)
    assert by_id[command.parent].name == "process issue_comment"
    send = next(each for each in sent if each.name in ("send card", "send writes"))
    linked = {send.trace, *send.links}
    assert linked & {each.trace for each in collector.spans if each.name.startswith("receive")}
    assert send.attributes["hubbub.write.state"] == "sent"
    assert received.resource["service.name"] == "hubbub"
    assert received.resource["deployment.environment.name"] == "test"
    assert received.attributes["messaging.message.id"]
    database = next(each for each in collector.named(f"write {system}"))
    assert database.attributes["db.operation.batch.size"] >= 1
    assert database.attributes["db.system.name"] == system
    # No words of people, and no secret.
    assert SECRET not in repr(collector.spans)
    assert "are secret" not in repr(collector.spans)


@ON_SQLITE
async def test_the_trace_of_a_caller_goes_on_in_its_writes(
    collector: Collector, store: Store, clock: Clock
) -> None:
    async with open_tracing(), open_workspace(TracedStore(store), clock, None) as workspace:
        agent = await workspace.agent("ada")
        issue = workspace.name(await workspace.task())
        async with serving(
            TracedStore(store), workspace.installation.id, keys=workspace.dispatcher.shared.keys
        ) as surface:
            headers = {
                "Authorization": f"Bearer {await surface.token()}",
                "traceparent": TRACEPARENT,
            }
            path = "/api/v1/github_comment_issue"
            body = {"issue": issue, "body": "Done"}
            answer = await surface.send("POST", path, json=body, headers=headers)
            assert answer.status == 200, answer.data
            refused = await surface.send("POST", "/api/v1/get_task", json={}, headers=headers)
            assert refused.code == "invalid_arguments"
        await workspace.settle()
        await agent.call("list_tasks")
    assert {"github_comment_issue", "get_task", "send comment"} <= set(collector.in_trace(CALLER))
    (sent,) = [each for each in collector.named("send comment") if each.trace == CALLER]
    (called,) = collector.named("github_comment_issue")
    assert sent.parent == called.id
    assert called.parent == TRACEPARENT.split("-")[2]
    (failed,) = collector.named("get_task")
    assert failed.failed
    assert failed.attributes["error.type"] == "invalid_arguments"
    # A call without a trace of its own begins one.
    assert {each.trace for each in collector.named("list_tasks")}.isdisjoint({CALLER})


async def test_the_log_names_the_trace_and_the_write(
    collector: Collector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBBUB_LOG_FORMAT", "json")
    logs.set_up(settings.load())
    try:
        async with open_tracing():
            with (
                tracing.span("outer", parent=TRACEPARENT),
                structlog.contextvars.bound_contextvars(write="w_1"),
            ):
                structlog.get_logger().warning("write put off")
        structlog.get_logger().warning("without a trace")
    finally:
        structlog.reset_defaults()
    first, second = capsys.readouterr().err.splitlines()
    assert re.search(rf'"trace_id": "{CALLER}"', first)
    assert '"write": "w_1"' in first
    assert "trace_id" not in second
    assert collector.in_trace(CALLER) == ["outer"]


@ON_SQLITE
async def test_what_the_sampler_leaves_out_is_neither_sent_nor_begun_by_what_follows(
    collector: Collector, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    async with open_tracing(), open_workspace(TracedStore(store), clock, None) as workspace:
        await workspace.task()
    assert collector.spans == []


@pytest.mark.parametrize(
    ("env", "name"),
    [
        # Without a collector nothing is sent, although the standard's default is otlp.
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, None),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, None),
    ],
)
def test_the_standard_variables_say_where_traces_go(env: dict[str, str], name: str | None) -> None:
    assert exporter_name(env) == name


@pytest.mark.parametrize(
    ("env", "wrong"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "must be otlp, console or none"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "Hubbub sends only http/protobuf",
        ),
    ],
)
def test_other_exporters_and_protocols_are_refused(env: dict[str, str], wrong: str) -> None:
    with pytest.raises(WrongSettings, match=wrong):
        exporter_name(env)


def test_while_traces_are_off_their_libraries_are_not_loaded() -> None:
    program = (
        "import sys, bot.cli.session, bot.tracing.exporting\n"
        "print([each for each in sys.modules if each.startswith('opentelemetry.sdk')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == "[]"


async def test_a_collector_that_is_away_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    async with open_tracing():
        with tracing.span("lost"):
            pass


def test_a_collector_that_does_not_answer_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For 600 spans the exporter waits twice, each time for as long as its setting says."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")
    program = """if True:
        import asyncio
        from bot import tracing
        from bot.tracing import exporting

        exporting.FLUSH_S = 0.2

        async def trace():
            async with exporting.open_tracing():
                for _ in range(600):
                    with tracing.span("lost"):
                        pass

        asyncio.run(trace())
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        # A process of its own, because the thread that still tries would go on beside other tests.
        subprocess.run([sys.executable, "-c", program], timeout=50, check=True)


def test_a_span_is_nothing_while_traces_are_off() -> None:
    with tracing.span("nothing") as span:
        span.set(hubbub__write__kind="comment")
        span.fail("internal")
    assert tracing.traceparent() is None
    assert tracing.ids() == {}
