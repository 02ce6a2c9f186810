"""For plug-ins in the sandbox, as components and as processes. It needs nothing but Python.

from hubbub_plugin import operation, run

@operation
def count_tasks(hubbub, label=""):
    return {"count": len(hubbub.call("list_tasks", {"labels": [label]})["tasks"])}

run()  # in a process; a component has `from hubbub_plugin import WitWorld` in its app
"""

import json
import os
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, TextIO, TypeVar

try:
    import wit_world  # type: ignore[import-not-found,unused-ignore]
    from componentize_py_types import Err  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    wit_world = None

F = TypeVar("F", bound=Callable[..., Any])
# What the plug-in has registered: by name where there can be several.
_named: dict[str, dict[str, Callable[..., Any]]] = {
    "operation": {},
    "strategy": {},
    "protocol": {},
    "panel": {},
}
_on_event: list[Callable[..., Any]] = []
_card_lines: list[Callable[..., Any]] = []


class HubbubError(Exception):
    """A call of the host failed. `code` is one of Hubbub's error codes."""

    def __init__(self, code: str, message: str, details: "dict[str, Any] | None") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = details or {}


class Hubbub:
    """What a function of a plug-in gets first."""

    # What `call` raises.
    Refused = HubbubError

    def __init__(self, settings: dict[str, Any], now: str) -> None:
        self.settings = settings
        self.now = now  # the time in UTC, as in 2026-01-31T12:00:00+00:00

    def call(self, operation: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call an operation that the manifest names. Raise HubbubError."""
        succeeded, text = _ask(operation, json.dumps(arguments or {}))
        if succeeded:
            answer: dict[str, Any] = json.loads(text)
            return answer
        error = json.loads(text)["error"]
        raise HubbubError(error["code"], error["message"], error.get("details"))

    def fetch(
        self,
        url: str,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: str | None = None,
    ) -> dict[str, Any]:
        """Send a request to a host that the manifest names."""
        asked = {"url": url, "method": method, "headers": headers or {}, "body": body}
        return self.call("fetch", asked)

    def get(self, name: str, default: Any = None) -> Any:
        """A value that the plug-in keeps."""
        found = self.call("get_value", {"name": name})["value"]
        return default if found is None else found

    def change(self, name: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Replace a value by what `function` makes of it. None removes it. Return the new one.

        The function may be called again, if another process changed the value in between.
        """
        while True:
            found = self.call("get_value", {"name": name})
            value = function(default if found["value"] is None else found["value"])
            put = {"name": name, "value": value, "expected_version": found["version"]}
            try:
                self.call("put_value", put)
            except HubbubError as exc:
                if exc.code != "version_conflict":
                    raise
            else:
                return value

    def log(self, *words: object) -> None:
        log(*words)


def operation(function: F) -> F:
    """An operation: `function(hubbub, **arguments) -> dict`, named as in the manifest."""
    _named["operation"][function.__name__] = function
    return function


def strategy(function: F) -> F:
    """A way to divide a task: `function(hubbub, task) -> str`."""
    _named["strategy"][function.__name__] = function
    return function


def protocol(function: F) -> F:
    """A way to reach agents: `function(hubbub, delivery) -> dict`."""
    _named["protocol"][function.__name__] = function
    return function


def panel(function: F) -> F:
    """A panel of the page: `function(hubbub) -> str`, in Markdown."""
    _named["panel"][function.__name__] = function
    return function


def on_event(function: F) -> F:
    """A handler of events: `function(event, hubbub)`. An event can come more than once."""
    _on_event.append(function)
    return function


def card_lines(function: F) -> F:
    """Lines for the card of a task: `function(task, hubbub) -> list of str`."""
    _card_lines.append(function)
    return function


def log(*words: object) -> None:
    """Write to the log of the plug-in."""
    text = " ".join(str(each) for each in words) + "\n"
    if wit_world is None:
        sys.stderr.write(text)
        sys.stderr.flush()
    else:
        wit_world.call("log", text)


def handle(hook: str, text: str) -> str:
    """Run what is registered for the hook. The answer is JSON."""
    given = json.loads(text)
    hubbub = Hubbub(given["settings"], given["now"])
    return json.dumps(_handle(hook, given["name"], given["arguments"], hubbub))


def _handle(hook: str, name: str, arguments: dict[str, Any], hubbub: Hubbub) -> Any:
    if hook == "event":
        for function in _on_event:
            function(arguments["event"], hubbub)
        return None
    if hook == "card_lines":
        return [line for each in _card_lines for line in each(arguments["task"], hubbub)]
    found = _named.get(hook, {}).get(name)
    if found is None:
        raise LookupError(f"the plug-in has no {hook} with the name {name}")
    return found(hubbub, **arguments)


def _words(exc: Exception) -> str:
    """A refusal in the plug-in's own words, or a bug with its place.

    The module traceback would open files, which are not there.
    """
    if isinstance(exc, (HubbubError, ValueError)):
        return str(exc)
    if isinstance(exc, MemoryError):
        return "MemoryError"
    places = []
    step = exc.__traceback__
    while step is not None:
        code: CodeType = step.tb_frame.f_code
        places.append(f"  {code.co_filename}:{step.tb_lineno} in {code.co_name}")
        step = step.tb_next
    return "\n".join([f"It raised {type(exc).__name__}: {exc}", *places[-10:]])


# As a process: a JSON object in each line, by stdin and what was stdout.
_lines: TextIO | None = None


def _ask(operation: str, text: str) -> tuple[bool, str]:
    if wit_world is not None:
        try:
            return True, wit_world.call(operation, text)
        except Err as exc:
            return False, exc.value
    _send({"call": operation, "json": text})
    answer = json.loads(sys.stdin.readline())
    return "ok" in answer, answer.get("ok") or answer["err"]


def _send(message: dict[str, str]) -> None:
    assert _lines is not None
    _lines.write(json.dumps(message) + "\n")
    _lines.flush()


def run() -> None:
    """Answer the one call that this process was started for."""
    global _lines  # noqa: PLW0603
    if wit_world is not None:
        return
    _lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed goes to the log
    asked = json.loads(sys.stdin.readline())
    try:
        ended = {"answer": handle(asked["hook"], asked["json"])}
    except Exception as exc:  # noqa: BLE001
        ended = {"failed": _words(exc)}
    sys.stdout.flush()
    _send(ended)


if wit_world is not None:

    class _Log:
        def write(self, text: str) -> None:
            wit_world.call("log", text)

        def flush(self) -> None:
            pass

    class WitWorld(wit_world.WitWorld):  # type: ignore[misc,name-defined,unused-ignore]
        def handle(self, hook: str, text: str) -> str:
            sys.stdout = sys.stderr = _Log()
            try:
                return handle(hook, text)
            except Exception as exc:  # noqa: BLE001
                raise Err(_words(exc)) from None
