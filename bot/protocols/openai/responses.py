"""The form of the Responses API: https://platform.openai.com/docs/api-reference/responses."""

from collections.abc import Iterator
from typing import Any

from bot.protocols.openai.options import Options
from bot.protocols.openai.replies import BadReply, Finish, Reply, make, token_counts

PATH = "/responses"


def request(
    options: Options, messages: list[dict[str, Any]], tools: list[dict[str, Any]], _limit: str = ""
) -> dict[str, Any]:
    """The body, from messages in the form of Chat Completions. The endpoint stores nothing."""
    body: dict[str, Any] = {
        "model": options.model,
        "input": [item for each in messages for item in _items(each)],
        "max_output_tokens": options.max_output_tokens,
        "store": False,
        "stream": False,
    }
    if tools:
        body["tools"] = [{"type": "function", "strict": False, **each} for each in tools]
    if options.temperature is not None:
        body["temperature"] = options.temperature
    return body


def _items(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if message["role"] == "tool":
        called, output = message["tool_call_id"], message["content"]
        yield {"type": "function_call_output", "call_id": called, "output": output}
        return
    if message.get("content"):
        yield {"role": message["role"], "content": message["content"]}
    for each in message.get("tool_calls", ()):
        yield {
            "type": "function_call",
            "call_id": each["id"],
            "name": each["function"]["name"],
            "arguments": each["function"]["arguments"],
        }


def parse(body: Any) -> Reply:
    """Raise BadReply."""
    try:
        items = body["output"]
        calls = [
            (each["call_id"], each["name"], each.get("arguments"), None)
            for each in items
            if each["type"] == "function_call"
        ]
        parts = [
            part for each in items if each["type"] == "message" for part in each.get("content", ())
        ]
        text = "".join(part.get("text") or part.get("refusal") or "" for part in parts)
        usage = body.get("usage") or {}
        details = usage.get("input_tokens_details") or {}
        tokens = token_counts(
            usage.get("input_tokens"), usage.get("output_tokens"), details.get("cached_tokens")
        )
        finish = _finish(body, parts)
    except (KeyError, TypeError, AttributeError) as exc:
        raise BadReply(f"its answer is no response: {type(exc).__name__} {exc}") from exc
    return make(text, calls, finish, tokens)


def _finish(body: dict[str, Any], parts: list[dict[str, Any]]) -> Finish:
    why = (body.get("incomplete_details") or {}).get("reason")
    if why == "content_filter" or any(part.get("type") == "refusal" for part in parts):
        return "refusal"
    return "length" if body.get("status") == "incomplete" else "stop"
