"""Check runs and workflow runs."""

from typing import Any

from bot.comments import authorship
from bot.github.payloads import at, maybe_number, text, time
from bot.github.requests import Request
from bot.outbox.kinds.kind import (
    MARGIN,
    Kind,
    Result,
    Sending,
    entries_under,
    id_result,
    rest,
    status_result,
)
from bot.pulls import checks, verdict
from bot.pulls.verdict import Verdict
from bot.repository.run_settings import RUN_INPUT
from bot.runs.binding import named_in, short_ref
from store.engine.transaction import Tx
from store.mirror import head_checks
from store.outbox import write_history, writes
from store.tables.outbox import WriteRow

CHECKS = "/repos/{repository}/check-runs"
CHECK = "/repos/{repository}/check-runs/{check_run_id}"
CHECKS_OF = "/repos/{repository}/commits/{head_sha}/check-runs"
DISPATCHES = "/repos/{repository}/actions/workflows/{workflow}/dispatches"
RUNS = "/repos/{repository}/actions/runs"


def _check_body(sending: Sending) -> dict[str, Any]:
    given = sending.pick("name", "head_sha", "status", "conclusion", "details_url", "output")
    return given | {"external_id": sending.write["id"]}


def _look_for_check(sending: Sending) -> Request:
    return Request("GET", sending.path(CHECKS_OF) + "?filter=all&per_page=100")


def _is_its_check(sending: Sending, entry: Any) -> bool:
    return bool(at(entry, "external_id") == sending.write["id"])


async def stored_check(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """What the check of the head should show now, and its check run, if it was made."""
    here = (write["installation_id"], write["repository_id"], write["arguments"]["head_sha"])
    shown = await checks.verdict_of_head(tx, *here)
    if shown is None:
        return {}
    stored = await head_checks.get(tx, *here)
    made = {"check_run_id": stored["check_run_id"]} if stored and stored["check_run_id"] else {}
    _, last = await writes.edits(tx, here[0], write["target"], checks.KIND)
    return made | {"shown": shown, "annotated": bool(last and (last["result"] or {}).get("notes"))}


async def needs_no_check(tx: Tx, write: WriteRow) -> bool:
    """Whether no open pull request with this head needs a check any more."""
    here = (write["installation_id"], write["repository_id"], write["arguments"]["head_sha"])
    return await checks.verdict_of_head(tx, *here) is None


def _pull_check_request(sending: Sending) -> Request:
    shown = sending.known.get("shown") or checks.NONE_WANTED
    body: dict[str, Any] = {
        "name": verdict.NAME,
        # It says which write made the check run, and what was sent with it.
        "external_id": f"{sending.write['id']} {shown.digest}",
        "output": {"title": shown.title, "summary": shown.summary, **_annotations(sending, shown)},
    }
    if shown.conclusion == "waiting":
        body |= {"status": "in_progress"}
    else:
        body |= {"status": "completed", "conclusion": shown.conclusion}
    if "check_run_id" in sending.known:
        return Request("PATCH", sending.path(CHECK), body)
    return Request("POST", sending.path(CHECKS), body | sending.pick("head_sha"))


def _annotations(sending: Sending, shown: Verdict) -> dict[str, Any]:
    """An edit appends to those that are there, and they follow from the head, so only once."""
    if not shown.annotations or sending.known.get("annotated"):
        return {}
    found = [
        {
            "path": each.path,
            "start_line": each.line,
            "end_line": each.line,
            "annotation_level": "failure" if each.is_failure else "warning",
            "message": each.text,
        }
        for each in shown.annotations
    ]
    return {"annotations": found}


def _pull_check_result(data: Any) -> Result:
    _, _, digest = text(at(data, "external_id")).partition(" ")
    notes = maybe_number(at(data, "output", "annotations_count"))
    found: Result = {"id": maybe_number(at(data, "id")), "digest": digest or None}
    return found | ({"notes": notes} if notes else {})


def _is_its_pull_check(sending: Sending, entry: Any) -> bool:
    return text(at(entry, "external_id")).partition(" ")[0] == sending.write["id"]


def _look_for_pull_check(sending: Sending) -> Request | None:
    """An edit of a check run may be sent twice."""
    return None if "check_run_id" in sending.known else _look_for_check(sending)


async def stored_runs(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """The runs that other writes started. None of them can be this write's run."""
    rows = await write_history.results(tx, write["installation_id"], write["target"], 100)
    return {"others": [at(row["result"], "run_id") for row in rows if row["id"] != write["id"]]}


def _dispatch_body(sending: Sending) -> dict[str, Any]:
    return sending.pick("ref", "inputs") | {"return_run_details": True}


def _look_for_run(sending: Sending) -> Request:
    created = sending.since().replace(":", "%3A")
    query = f"event=workflow_dispatch&created=%3E%3D{created}&per_page=100"
    return Request("GET", f"{sending.path(RUNS)}?{query}")


def _is_its_run(sending: Sending, entry: Any) -> bool:
    """Whether this write started the workflow run.

    The title of a run that works as an agent names it. Otherwise our bot started it, on its branch,
    after the write was sent, and no other write did.
    """
    arguments = sending.arguments
    named = named_in(text(at(entry, "display_title")))
    if named not in (None, at(arguments, "inputs", RUN_INPUT)):
        return False
    file = text(at(entry, "path")).partition("@")[0].rpartition("/")[2]
    workflow = str(arguments["workflow"])
    return (
        workflow in (file, str(at(entry, "workflow_id")))
        and at(entry, "head_branch") == short_ref(arguments["ref"])
        and authorship.is_ours(
            text(at(entry, "actor", "login")), maybe_number(at(entry, "actor", "id")), sending.bot
        )
        and time(at(entry, "created_at")) >= (sending.write["sending_at"] or 0) - MARGIN
        and (named is not None or at(entry, "id") not in sending.known["others"])
    )


def _run_result(data: Any) -> Result:
    """The run's id, in the answer to a dispatch or in a run that a look found."""
    title = text(at(data, "display_title"))
    return {
        "run_id": maybe_number(at(data, "workflow_run_id")) or maybe_number(at(data, "id")),
        "url": at(data, "html_url"),
    } | ({"title": title} if title else {})


KINDS = {
    "check_run": Kind(
        "checks: write",
        rest("POST", CHECKS, _check_body),
        id_result,
        look=_look_for_check,
        entries=entries_under("check_runs"),
        found=_is_its_check,
    ),
    "pull_check": Kind(
        "checks: write",
        # One check run for each head, edited from then on.
        _pull_check_request,
        _pull_check_result,
        stored_values=stored_check,
        changes_nothing=needs_no_check,
        look=_look_for_pull_check,
        entries=entries_under("check_runs"),
        found=_is_its_pull_check,
        overwrites="all",
    ),
    "workflow_dispatch": Kind(
        "actions: write",
        rest("POST", DISPATCHES, _dispatch_body),
        _run_result,
        stored_values=stored_runs,
        look=_look_for_run,
        entries=entries_under("workflow_runs"),
        found=_is_its_run,
        # An older GitHub Enterprise Server answers 204 and does not say which run it started.
        done=(204,),
    ),
    "workflow_cancel": Kind(
        "actions: write",
        rest("POST", f"{RUNS}/{{run_id}}/cancel"),
        status_result,
        # 409: the run has ended already.
        done=(202, 409),
    ),
    # For a run that GitHub still runs after it was asked to cancel it: it skips `always()`.
    "workflow_force_cancel": Kind(
        "actions: write",
        rest("POST", f"{RUNS}/{{run_id}}/force-cancel"),
        status_result,
        done=(202, 409),
    ),
}
