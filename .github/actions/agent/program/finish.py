"""Reports what the agent did, and ends the session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hubbub
from runner import Problem, command, folder, given
from serve import STATE
from start import call

# Characters that Hubbub takes as a result.
MOST_CHARACTERS = 20_000
# Of a file that may be a log of any length.
MOST_READ = 10 * MOST_CHARACTERS
CUT = "\n\n(The rest is in the log of the run.)"


def main() -> None:
    path = folder() / STATE
    if not path.exists():
        command("notice", "No session of Hubbub was started, so there is nothing to report.")
        return
    state = json.loads(path.read_text(encoding="utf-8"))
    try:
        if state["run"]:
            report(state)
        else:
            print("Hubbub did not start this run, so it keeps no result of it.")
    finally:
        print_warnings()
        hubbub.send(f"{state['url']}/end", b"")
        path.unlink()


def report(state: dict[str, Any]) -> None:
    file = given("HUBBUB_RESULT_FILE")
    turns = read_turns(Path(file)) if file else None
    final = last_result(turns) if turns else {}
    text = given("HUBBUB_RESULT") or str(final.get("result") or "") or plain_text(file, turns)
    failed = bool(final.get("is_error")) or given("HUBBUB_OUTCOME") != "success"
    arguments = {"result": shorten(text) or nothing_said(), "outcome": outcome(failed=failed)}
    call(state, "update_agent", arguments)
    print(f"Reported the outcome {arguments['outcome']}.")
    if final:
        report_usage(state, final)


def outcome(*, failed: bool) -> str:
    return "failure" if failed else "success"


def nothing_said() -> str:
    return f"The agent left no final message. Its step ended with: {given('HUBBUB_OUTCOME')}."


def shorten(text: str) -> str:
    # A text that was cut inside of a character is not valid: Hubbub would refuse the whole report.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - len(CUT)] + CUT


def read_turns(path: Path) -> list[Any] | None:
    """The messages in Claude Code's `execution_file`; None for another file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, list) else None


def last_result(turns: list[Any]) -> dict[str, Any]:
    results = [each for each in turns if isinstance(each, dict) and each.get("type") == "result"]
    return results[-1] if results else {}


def plain_text(file: str, turns: list[Any] | None) -> str:
    """The text of a file that is no list of messages."""
    if not file or turns is not None or not Path(file).is_file():
        return ""
    with Path(file).open(encoding="utf-8", errors="replace") as text:
        return text.read(MOST_READ).strip()


def report_usage(state: dict[str, Any], final: dict[str, Any]) -> None:
    """Report what the models used, as Claude Code counts it. It is no failure if that fails."""
    for model, used in (final.get("modelUsage") or {}).items():
        arguments = {
            "model": model,
            "input_tokens": int(used.get("inputTokens", 0))
            + int(used.get("cacheCreationInputTokens", 0)),
            "output_tokens": int(used.get("outputTokens", 0)),
            "cached_tokens": int(used.get("cacheReadInputTokens", 0)),
            "cost": f"{float(used.get('costUSD', 0)):.6f}",
        }
        try:
            call(state, "report_usage", arguments)
        except Problem as problem:
            command("warning", f"The usage was not reported: {problem}")


def print_warnings() -> None:
    """What went wrong in the background, which printed to no log of the job."""
    log = folder() / "log.txt"
    if log.is_file() and (said := log.read_text(encoding="utf-8", errors="replace").strip()):
        command("warning", f"The session of Hubbub had trouble: {said[-2000:]}")
