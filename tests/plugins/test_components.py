"""What components of WebAssembly cannot do, and what they can."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.kernel.plugin_calls import Failure, PluginResult
from bot.plugins.sandbox.contract import Code, Limits, PluginCall
from bot.plugins.sandbox.sandbox import Sandbox
from tests.plugins import test_confined_processes as confined
from tests.support.patience import SOON_S
from tests.support.plugin_host import RecordingHost
from tests.support.wat_components import component, text_at

ANSWER = component(
    "(call $say (i32.const 0) (i32.const 64) (i32.const 8))", extra=text_at(64, r"{\"a\": 1}")
)
LOOP = component("(loop $again (br $again)) (unreachable)")
# Calls the operation at address 64 with the JSON at address 128, and returns what it gets.
CALL = """
  (call $call (i32.const 64) (i32.const {length}) (i32.const 128) (i32.const 2) (i32.const 16))
  (i32.const 16)
"""
MANY = 10**12


def calling(operation: str) -> Code:
    return component(
        CALL.format(length=len(operation)), extra=text_at(64, operation) + text_at(128, "{}")
    )


MISBEHAVIOUR = [
    ("(loop $again (br $again)) (unreachable)", "", "out_of_fuel", "It computed for too long."),
    ("(unreachable)", "", "trap", "unreachable"),
    ("(call $deep)", "(func $deep (result i32) (call $deep))", "trap", "too deep"),
    ("(i32.load (i32.const -8))", "", "trap", "out of bounds"),
    # A result that lies outside of the memory, and a text that does.
    ("(i32.const -8)", "", "trap", "out of bounds"),
    ("(call $say (i32.const 0) (i32.const 0) (i32.const -1))", "", "trap", "out of bounds"),
    ("(call $say (i32.const 7) (i32.const 0) (i32.const 1))", "", "trap", "discriminant"),
    (
        "(call $say (i32.const 0) (i32.const 64) (i32.const 2))",
        text_at(64, r"\ff\fe"),
        "trap",
        "utf-8",
    ),
    (
        "(call $say (i32.const 0) (i32.const 64) (i32.const 2))",
        text_at(64, "{]"),
        "bad_output",
        "not JSON",
    ),
    (
        (
            "(drop (memory.grow (i32.const 10))) (call $say (i32.const 0) (i32.const 4096)"
            " (i32.const 600000))"
        ),
        "",
        "bad_output",
        "longer than 262144 bytes",
    ),
    # It takes all the memory it gets, and then some.
    (
        (
            "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))"
            " (i32.store (i32.const 67108864) (i32.const 1)) (unreachable)"
        ),
        "",
        "trap",
        "out of bounds",
    ),
    (
        "(call $say (i32.const 1) (i32.const 64) (i32.const 11))",
        text_at(64, "MemoryError"),
        "out_of_memory",
        "MemoryError",
    ),
]
MISFITS = [
    (Code.of("wasm", b"MZ no component"), "refused", "cannot be compiled"),
    (Code.of("wasm", b"\0asm\1\0\0\0"), "refused", "cannot be compiled"),
    (Code.of("wasm", b"\0asm" * 500), "refused", "it has more than"),
    (component("(unreachable)", memory="2000"), "out_of_memory", "more memory"),
    (
        component("(unreachable)", imports='(import "other" (func (param "a" string)))'),
        "refused",
        "it imports other, and a plug-in may import `call` alone",
    ),
    # A list of bytes costs its host 32 bytes for each: no such type passes.
    (
        component("(unreachable)", imports='(import "wasi:io/x" (func (param "a" (list u8))))'),
        "refused",
        "build with --stub-wasi",
    ),
]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path / "cache")
    yield made
    made.close()


async def run(
    sandbox: Sandbox, code: Code, limits: Limits | None = None, host: RecordingHost | None = None
) -> PluginResult:
    call = PluginCall("operation", "name", {"n": 1})
    return await sandbox.run(code, call, limits or Limits(wall_s=SOON_S), host or RecordingHost())


async def test_a_component_answers_in_json(sandbox: Sandbox) -> None:
    result = await run(sandbox, ANSWER)
    assert (result.value, result.failure) == ({"a": 1}, None)
    assert 0 < result.fuel < 1000


async def test_a_component_calls_its_host_and_gets_the_answer(sandbox: Sandbox) -> None:
    host = RecordingHost()
    result = await run(sandbox, calling("get_task"), host=host)
    assert result.value == {"called": "get_task"}
    assert (host.calls, result.host_calls) == ([("get_task", {})], 1)


async def test_a_refusal_reaches_the_guest_as_an_error_that_it_may_handle(
    sandbox: Sandbox,
) -> None:
    result = await run(sandbox, calling("refuse"))
    text = '{"error":{"code":"forbidden","message":"Not this one.","details":{}}}'
    assert result.failure == Failure("error", text)


async def test_a_bug_of_the_host_is_raised_and_the_sandbox_goes_on(sandbox: Sandbox) -> None:
    with pytest.raises(ZeroDivisionError):
        await run(sandbox, calling("bug"))
    assert (await run(sandbox, ANSWER)).value == {"a": 1}


@pytest.mark.parametrize(("body", "extra", "kind", "words"), MISBEHAVIOUR)
async def test_a_component_that_misbehaves_is_stopped_in_words(
    sandbox: Sandbox, body: str, extra: str, kind: str, words: str
) -> None:
    result = await run(
        sandbox, component(body, extra=extra), Limits(fuel=50_000_000, wall_s=SOON_S)
    )
    assert result.failure is not None
    assert (result.failure.kind, words in result.failure.text) == (kind, True), result.failure


@pytest.mark.parametrize(("code", "kind", "words"), MISFITS)
async def test_code_that_does_not_fit_is_refused_before_it_runs(
    sandbox: Sandbox, code: Code, kind: str, words: str
) -> None:
    limits = Limits(code_bytes=1999)
    result = await run(sandbox, code, limits)
    assert result.failure is not None
    assert (result.failure.kind, words in result.failure.text) == (kind, True), result.failure


async def test_a_component_without_the_right_export_is_refused(sandbox: Sandbox) -> None:
    from wasmtime import wat2wasm  # noqa: PLC0415

    result = await run(sandbox, Code.of("wasm", bytes(wat2wasm("(component)"))))
    text = (
        "It cannot be run: it exports no `handle: func(string, string) -> result<string, string>`."
    )
    assert result.failure == Failure("refused", text)


async def test_a_guest_that_computes_past_its_time_is_stopped_while_others_go_on(
    sandbox: Sandbox,
) -> None:
    slow = asyncio.create_task(run(sandbox, LOOP, Limits(wall_s=0.5, fuel=MANY)))
    for _ in range(5):
        assert (await run(sandbox, ANSWER)).value == {"a": 1}
    assert (await slow).failure == Failure("timed_out", "It took longer than 0.5 s.")


async def test_a_guest_whose_host_never_answers_is_stopped(sandbox: Sandbox) -> None:
    host, wall_s = RecordingHost(), 0.3
    # On a busy machine the time may end before the guest has called its host.
    while not host.is_waiting.is_set():
        result = await run(sandbox, calling("wait"), Limits(wall_s=wall_s), host)
        assert result.failure == Failure("timed_out", f"It took longer than {wall_s:g} s.")
        wall_s *= 3
    assert host.was_cancelled


@pytest.mark.parametrize("code", [LOOP, calling("wait")], ids=["computes", "waits"])
async def test_a_run_can_be_cancelled(sandbox: Sandbox, code: Code) -> None:
    host = RecordingHost()
    running = asyncio.create_task(run(sandbox, code, Limits(wall_s=60, fuel=MANY), host))
    if code is not LOOP:
        await host.is_waiting.wait()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await run(sandbox, ANSWER)).value == {"a": 1}


@pytest.mark.parametrize(
    ("operation", "failure"),
    [
        (
            "get_task",
            Failure(
                "trap", "It went on to call its host after it had been refused for the number."
            ),
        ),
        ("log", Failure("bad_output", "It wrote more than 4 MiB, or too often, to its log.")),
    ],
)
async def test_a_flood_of_calls_ends_the_guest(
    sandbox: Sandbox, operation: str, failure: Failure
) -> None:
    body = f"(loop $again {CALL.format(length=len(operation))} (drop) (br $again)) (unreachable)"
    code = component(body, extra=text_at(64, operation) + text_at(128, "{}"))
    host = RecordingHost()
    result = await run(sandbox, code, host=host)
    assert result.failure == failure
    assert len(host.calls) == (100 if operation == "get_task" else 0)


async def test_an_answer_of_the_host_that_is_too_long_is_an_error(sandbox: Sandbox) -> None:
    result = await run(sandbox, calling("long"))
    assert result.failure is not None
    assert "longer than 1048576 bytes: ask for less" in result.failure.text


async def test_nothing_is_fetched_where_the_manifest_names_no_host(sandbox: Sandbox) -> None:
    result = await run(sandbox, calling("fetch"))
    assert result.failure is not None
    assert "The manifest names no hosts" in result.failure.text


async def test_an_instance_keeps_nothing_for_the_next_call(sandbox: Sandbox) -> None:
    body = """
      (i32.store8 (i32.const 65) (i32.add (i32.load8_u (i32.const 65)) (i32.const 1)))
      (call $say (i32.const 0) (i32.const 64) (i32.const 3))
    """
    code = component(body, extra=text_at(64, "[0]"))
    assert [(await run(sandbox, code)).value for _ in range(2)] == [[1], [1]]


async def test_compiled_code_is_used_again_and_bad_places_for_it_are_refused(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    await run(sandbox, ANSWER)

    async def read() -> bytes:
        raise AssertionError

    assert (await run(sandbox, Code("wasm", ANSWER.sha256, read))).value == {"a": 1}
    cache = tmp_path / "cache"
    assert [each.suffix for each in cache.iterdir()] == [".cwasm"]
    assert cache.stat().st_mode & 0o777 == 0o700
    cache.chmod(0o777)
    failure = (await run(sandbox, LOOP)).failure
    assert failure is not None
    assert failure.text.endswith(f"others may write to {cache}: make it private.")


# rustledger/rustledger#1811, elle-lisp/elle#889
@pytest.mark.parametrize("content", [b"", b"garbage" * 100, None])
async def test_compiled_code_that_cannot_be_loaded_is_compiled_again(
    sandbox: Sandbox, tmp_path: Path, content: bytes | None
) -> None:
    await run(sandbox, ANSWER)
    (compiled,) = (tmp_path / "cache").iterdir()
    whole = compiled.read_bytes()
    compiled.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert (await run(sandbox, ANSWER)).value == {"a": 1}
    assert compiled.read_bytes() == whole


async def test_input_that_is_too_long_is_refused(sandbox: Sandbox) -> None:
    result = await run(sandbox, ANSWER, Limits(input_bytes=10))
    assert result.failure == Failure("refused", "The input is longer than 10 bytes.")


def test_the_docs_count_what_was_tried() -> None:
    text = Path("docs/reference/plugins.md").read_text()
    counts = dict(
        re.findall(r"^\| ((?:process|component): [a-z ]+) \| (\d+) \|", text, re.MULTILINE)
    )
    assert counts == {
        "process: read": str(len(confined.READS)),
        "process: write": str(len(confined.WRITES)),
        "process: network": str(len(confined.NETWORK)),
        "process: other processes": str(len(confined.PROCESSES)),
        "process: system calls": str(len(confined.SYSTEM_CALLS)),
        "process: misbehaviour": str(len(confined.MISBEHAVIOUR)),
        "component: misbehaviour": str(len(MISBEHAVIOUR)),
        "component: misfits": str(len(MISFITS)),
    }
