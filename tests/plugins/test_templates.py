"""The plug-ins to begin with in the sandbox, and what the library for their authors does."""

import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from bot.cli import plugin_starts
from bot.plugins import manifest_file
from bot.plugins.sandbox.contract import Code, Kind, Limits, PluginCall
from bot.plugins.sandbox.sandbox import Sandbox
from tests.support.bubblewrap import skip_without
from tests.support.patience import SOON_S
from tests.support.plugin_host import RecordingHost

LIBRARY = Path(plugin_starts.PLUGINS) / "sandbox/guest/hubbub_plugin.py"


class TasksHost(RecordingHost):
    async def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        await super().call(operation, arguments)
        return {"tasks": [{"state": "pending"}, {"state": "in_review"}]}


@pytest.mark.parametrize("kind", ["wasm", "process"])
def test_a_new_plugin_has_a_valid_manifest_and_all_it_needs(kind: Kind) -> None:
    made = plugin_starts.files("greeter", kind)
    manifest = manifest_file.parse(made["hubbub-plugin.yml"].encode())
    assert (manifest.name, manifest.kind) == ("greeter", kind)
    assert ("wit/plugin.wit" in made, "hubbub_plugin.py" in made) == (kind == "wasm",) * 2
    for path, text in made.items():
        if path.endswith(".py"):
            compile(text, path, "exec")


async def test_a_new_plugin_that_is_a_process_works_at_once(tmp_path: Path) -> None:
    skip_without()
    sandbox, host = Sandbox(tmp_path), TasksHost()
    program = plugin_starts.files("greeter", "process")["main.py"]
    call = PluginCall("operation", "greet", {"who": "Ada"}, {"word": "Ahoy"})
    result = await sandbox.run(
        Code.of("process", program.encode()), call, Limits(wall_s=SOON_S), host
    )
    sandbox.close()
    assert result.failure is None
    assert result.value == {"text": "Ahoy, Ada! There are 2 tasks or more."}
    assert host.calls == [("list_tasks", {"limit": 5})]


class Err(Exception):
    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The library as a component has it, on a host that answers with what it was asked."""
    world, types = ModuleType("wit_world"), ModuleType("componentize_py_types")

    def call(operation: str, text: str) -> str:
        if operation == "refuse":
            raise Err('{"error": {"code": "forbidden", "message": "No."}}')
        said.append((operation, text))
        return text

    said: list[tuple[str, str]] = []
    vars(world).update(WitWorld=object, call=call, said=said)
    vars(types).update(Err=Err)
    monkeypatch.setitem(sys.modules, "wit_world", world)
    monkeypatch.setitem(sys.modules, "componentize_py_types", types)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    spec = spec_from_file_location("hubbub_plugin", LIBRARY)
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def handle(library: ModuleType, hook: str, name: str = "", **arguments: Any) -> Any:
    given = {"name": name, "arguments": arguments, "settings": {"hours": 3}, "now": "now"}
    return orjson.loads(library.WitWorld().handle(hook, orjson.dumps(given).decode()))


def test_each_hook_reaches_the_functions_that_are_registered_for_it(library: ModuleType) -> None:
    seen: list[Any] = []
    library.on_event(lambda event, hubbub: seen.append((event, hubbub.settings)))
    library.card_lines(lambda task, _hubbub: [f"line of {task['id']}"])
    library.card_lines(lambda _task, hubbub: [hubbub.now])

    @library.strategy  # type: ignore[untyped-decorator]
    def by_day(hubbub: Any, task: Any) -> str:
        return f"{task} {hubbub.settings['hours']}"

    @library.panel  # type: ignore[untyped-decorator]
    def today(hubbub: Any) -> str:
        hubbub.log("a", 1)
        return "**today**"

    @library.protocol  # type: ignore[untyped-decorator]
    def pager(hubbub: Any, delivery: Any) -> Any:
        return hubbub.fetch("https://pager.example", "POST", body=delivery)

    assert handle(library, "event", event={"id": "e1"}) is None
    assert seen == [({"id": "e1"}, {"hours": 3})]
    assert handle(library, "card_lines", task={"id": "t1"}) == ["line of t1", "now"]
    assert handle(library, "strategy", "by_day", task="t") == "t 3"
    assert handle(library, "panel", "today") == "**today**"
    assert handle(library, "protocol", "pager", delivery="d")["method"] == "POST"
    assert [each for each, _ in sys.modules["wit_world"].said] == ["log", "fetch"]


def test_errors_say_whether_the_plugin_refuses_or_fails(library: ModuleType) -> None:
    @library.operation  # type: ignore[untyped-decorator]
    def fail(hubbub: Any, how: str) -> None:
        if how == "call":
            hubbub.call("refuse")
        raise {"value": ValueError("Give a date."), "bug": KeyError("x"), "memory": MemoryError()}[
            how
        ]

    def text(name: str, how: str) -> str:
        with pytest.raises(Err) as raised:
            handle(library, "operation", name, how=how)
        return raised.value.value

    assert text("fail", "value") == "Give a date."
    assert text("fail", "call") == "forbidden: No."
    assert text("fail", "memory") == "MemoryError"
    assert text("fail", "bug").startswith("It raised KeyError: 'x'\n  ")
    assert text("other", "").startswith(
        "It raised LookupError: the plug-in has no operation with the name other"
    )


def test_what_a_component_prints_goes_to_its_log(library: ModuleType) -> None:
    @library.operation  # type: ignore[untyped-decorator]
    def speak(_hubbub: Any) -> None:
        print("hello")  # noqa: T201

    handle(library, "operation", "speak")
    assert ("log", "hello") in sys.modules["wit_world"].said
