"""The policy of a tool that is in force now, for the form that changes it."""

from collections.abc import Mapping

from bot.errors import Refused
from webhooks.page.visit import Visit


async def of(visit: Visit, sent: Mapping[str, str]) -> dict[str, str]:
    """The values by the name of their field. Raise Refused."""
    if not sent.get("tool"):
        raise Refused("bad_request", "The form names no tool. Go back to the page before.")
    found = (await visit.call("get_tool", tool=sent["tool"])).policy.model_dump(mode="json")
    return {f"policy.{name}": _text_of(value) for name, value in found.items()}


def _text_of(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
