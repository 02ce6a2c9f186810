"""Resolving review threads, which only GraphQL can."""

from typing import Any

from bot.github.payloads import at
from bot.github.requests import GRAPHQL, Request
from bot.outbox.kinds.kind import Kind, Result, Sending, graphql, list_entries
from store.engine.transaction import Tx
from store.mirror import threads
from store.tables.outbox import WriteRow

# A thread is known by its comments, because REST has no threads. Its first one may be deleted.
# GitHub lists a hundred threads at once, so the newest are asked for besides.
SHOWN = "nodes { id comments(first: 50) { nodes { fullDatabaseId } } }"
THREADS = f"""\
query Threads($owner: String!, $name: String!, $number: Int!) {{
  repository(owner: $owner, name: $name) {{
    pullRequest(number: $number) {{
      oldest: reviewThreads(first: 100) {{ {SHOWN} }}
      newest: reviewThreads(last: 100) {{ {SHOWN} }}
    }}
  }}
}}"""
RESOLVE = "t{n}: resolveReviewThread(input: {{threadId: $t{n}}}) {{ thread {{ id isResolved }} }}"


async def stored_threads(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """The node ids of the threads, of which GitHub reports only those that were once resolved."""
    here = (write["installation_id"], write["repository_id"], write["arguments"]["number"])
    return {"node_ids": await threads.node_ids(tx, *here, write["arguments"]["threads"])}


def _threads_read(sending: Sending) -> list[Request]:
    """Reads the threads, unless the mirror knows all that are to be resolved."""
    if sending.known["node_ids"].keys() >= set(sending.arguments["threads"]):
        return []
    owner, _, name = sending.repository.partition("/")
    variables = {"owner": owner, "name": name, "number": sending.arguments["number"]}
    return [Request("POST", GRAPHQL, {"query": THREADS, "variables": variables})]


def _read_threads(data: Any) -> list[Any] | None:
    pull = at(data, "data", "repository", "pullRequest")
    ends = [list_entries(at(pull, end, "nodes")) for end in ("oldest", "newest")]
    return [each for found in ends if found for each in found] if None not in ends else None


def _node_ids(sending: Sending) -> list[str]:
    """The ids of the threads, in the order of the request. One that is gone is left out."""
    found: dict[int, str] = dict(sending.known["node_ids"])
    for thread in (_read_threads(sending.prepared[0]) or []) if sending.prepared else []:
        for comment in list_entries(at(thread, "comments", "nodes")) or []:
            found[int(at(comment, "fullDatabaseId") or 0)] = at(thread, "id")
    wanted: list[int] = [*sending.arguments["threads"], *sending.arguments.get("comments", ())]
    return list(dict.fromkeys(found[each] for each in wanted if each in found))


def _resolve_request(sending: Sending) -> Request:
    node_ids = _node_ids(sending)
    names = ", ".join(f"$t{n}: ID!" for n in range(len(node_ids)))
    steps = "\n  ".join(RESOLVE.format(n=n) for n in range(len(node_ids)))
    document = f"mutation Resolve({names}) {{\n  {steps}\n}}"
    return graphql(document, lambda _: {f"t{n}": each for n, each in enumerate(node_ids)})(sending)


def _resolve_result(data: Any) -> Result:
    answers = at(data, "data")
    found = list(answers.values()) if isinstance(answers, dict) else []
    done = [each for each in found if at(each, "thread", "isResolved") is True]
    return {"resolved": len(done) or None}


KINDS = {
    "resolve_threads": Kind(
        # GitHub asks for more than for the review itself: https://github.com/github/gh-aw/issues/35726
        "contents: write",
        _resolve_request,
        _resolve_result,
        resource="graphql",
        stored_values=stored_threads,
        prepare=_threads_read,
        fits_prepared=lambda data: _read_threads(data) is not None,
        needless=lambda sending: None if _node_ids(sending) else {"resolved": 0},
    )
}
