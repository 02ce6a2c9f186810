"""Check runs and workflow runs."""

from typing import Any

from bot.github.payloads import at, text, time
from bot.github.requests import Request
from bot.outbox.kinds.kind import MARGIN, Kind, Result, Sending, did, made, rest, within
from store.engine.transaction import Tx
from store.outbox import writes
from store.tables.outbox import WriteRow

CHECKS = "/repos/{repository}/check-runs"
CHECKS_OF = "/repos/{repository}/commits/{head_sha}/check-runs"
DISPATCHES = "/repos/{repository}/actions/workflows/{workflow}/dispatches"
RUNS = "/repos/{repository}/actions/runs"


def _check(sending: Sending) -> dict[str, Any]:
    given = sending.pick("name", "head_sha", "status", "conclusion", "details_url", "output")
    return given | {"external_id": sending.write["id"]}


def _look_for_check(sending: Sending) -> Request:
    return Request("GET", sending.path(CHECKS_OF) + "?filter=all&per_page=100")


def _has_its_id(sending: Sending, entry: Any) -> bool:
    return bool(at(entry, "external_id") == sending.write["id"])


async def know_runs(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """The runs that other writes are known to have started: they are not this one's."""
    rows = await writes.results(tx, write["installation_id"], write["target"], 100)
    return {"others": [at(row["result"], "run_id") for row in rows if row["id"] != write["id"]]}


def _dispatch(sending: Sending) -> dict[str, Any]:
    return sending.pick("ref", "inputs") | {"return_run_details": True}


def _look_for_run(sending: Sending) -> Request:
    created = sending.since().replace(":", "%3A")
    query = f"event=workflow_dispatch&created=%3E%3D{created}&per_page=100"
    return Request("GET", f"{sending.path(RUNS)}?{query}")


def _is_its_run(sending: Sending, entry: Any) -> bool:
    """A run of its workflow and branch, started by a bot since it was sent, and no other's."""
    arguments = sending.arguments
    named = text(at(entry, "path")).partition("@")[0].rpartition("/")[2]
    workflow = str(arguments["workflow"])
    return (
        workflow in (named, str(at(entry, "workflow_id")))
        and at(entry, "head_branch") == arguments["ref"]
        and text(at(entry, "actor", "login")).endswith("[bot]")
        and time(at(entry, "created_at")) >= (sending.write["sending_at"] or 0) - MARGIN
        and at(entry, "id") not in sending.known["others"]
    )


def _run(data: Any) -> Result:
    """Of the dispatch, or of the run as a look found it."""
    return {
        "run_id": at(data, "workflow_run_id") or at(data, "id"),
        "url": at(data, "html_url"),
    }


KINDS = {
    "check_run": Kind(
        "checks: write",
        rest("POST", CHECKS, _check),
        made,
        look=_look_for_check,
        entries=within("check_runs"),
        found=_has_its_id,
    ),
    "workflow_dispatch": Kind(
        "actions: write",
        rest("POST", DISPATCHES, _dispatch),
        _run,
        know=know_runs,
        look=_look_for_run,
        entries=within("workflow_runs"),
        found=_is_its_run,
        # An older GitHub Enterprise Server does not say which run it is.
        done=(204,),
    ),
    "workflow_cancel": Kind(
        "actions: write",
        rest("POST", f"{RUNS}/{{run_id}}/cancel"),
        did,
        # It has ended already.
        done=(409,),
    ),
}
