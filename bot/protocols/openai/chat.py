"""The form of Chat Completions: https://platform.openai.com/docs/api-reference/chat."""

from typing import Any

from bot.protocols.openai.options import Options
from bot.protocols.openai.replies import BadReply, Finish, Reply, make, token_counts

PATH = "/chat/completions"


# Newer models of OpenAI refuse the older name, which others know alone.
OLDER_LIMIT, LIMIT = "max_tokens", "max_completion_tokens"


def request(
    options: Options,
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]],
    limit: str = OLDER_LIMIT,
) -> dict[str, Any]:
    """The body. `messages` are in this form already. `limit`: the name of the limit of tokens."""
    body: dict[str, Any] = {
        "model": options.model,
        "messages": messages,
        limit: options.max_output_tokens,
        "stream": False,
    }
    if tools:
        body["tools"] = [{"type": "function", "function": each} for each in tools]
    if options.temperature is not None:
        body["temperature"] = options.temperature
    return body


def parse(body: Any) -> Reply:
    """Raise BadReply."""
    try:
        choice = body["choices"][0]
        message = choice["message"]
        calls = [
            (
                each.get("id"),
                each["function"]["name"],
                each["function"].get("arguments"),
                # Gemini: signatures of its thoughts.
                each.get("extra_content"),
            )
            for each in message.get("tool_calls") or []
        ]
        usage = body.get("usage") or {}
        details = usage.get("prompt_tokens_details") or {}
        tokens = token_counts(
            usage.get("prompt_tokens"), usage.get("completion_tokens"), details.get("cached_tokens")
        )
        text = message.get("content") or message.get("refusal")
        finish = _finish(choice.get("finish_reason"), message.get("refusal"))
    except (KeyError, IndexError, TypeError, AttributeError) as exc:
        raise BadReply(f"its answer is no chat completion: {type(exc).__name__} {exc}") from exc
    # DeepSeek and others refuse a call that comes back without it.
    return make(text, calls, finish, tokens, message.get("reasoning_content"))


def _finish(reason: Any, refusal: Any) -> Finish:
    if refusal or reason == "content_filter":
        return "refusal"
    return "length" if reason == "length" else "stop"
