"""The guest's calls to its host, with bounds on their number and size."""

from typing import Any

import orjson

from bot.errors import Refused
from bot.plugins.sandbox.contract import Host, Limits

# The name under which a guest reaches `Host.fetch`.
FETCH = "fetch"
# So many calls above the limit are answered with an error.
SPARE = 10


class HostCalls:
    """Answers one guest. Errors are JSON in the shape that they have on every surface."""

    def __init__(self, host: Host, limits: Limits) -> None:
        self._host = host
        self._limits = limits
        self.count = 0

    @property
    def is_flooded(self) -> bool:
        """Whether the guest goes on although it was refused: then it must be ended."""
        return self.count >= self._limits.host_calls + SPARE

    async def answer(self, operation: str, text: str) -> tuple[bool, str]:
        """Whether the call succeeded, and the answer or the error as JSON."""
        self.count += 1
        try:
            answer = self._check_size(
                orjson.dumps(await self._call(operation, self._arguments(text)))
            )
        except Refused as exc:
            return False, orjson.dumps(exc.body()).decode()
        return True, answer.decode()

    def _check_size(self, answer: bytes) -> bytes:
        most = self._limits.host_answer_bytes
        if len(answer) > most:
            raise Refused(
                "invalid_arguments", f"The answer is longer than {most} bytes: ask for less."
            )
        return answer

    def _arguments(self, text: str) -> dict[str, Any]:
        if self.count > self._limits.host_calls:
            most = self._limits.host_calls
            raise Refused("rate_limited", f"A plug-in may call its host {most} times in a run.")
        if len(text) > self._limits.host_call_bytes:
            most = self._limits.host_call_bytes
            raise Refused("invalid_arguments", f"The arguments are longer than {most} bytes.")
        try:
            arguments = orjson.loads(text)
        except orjson.JSONDecodeError as exc:
            raise Refused("invalid_arguments", f"The arguments are not JSON: {exc}.") from exc
        if not isinstance(arguments, dict):
            raise Refused("invalid_arguments", "The arguments must be a JSON object.")
        return arguments

    async def _call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if operation != FETCH:
            return await self._host.call(operation, arguments)
        if self._host.fetch is None:
            raise Refused("forbidden", "The manifest names no hosts: there is no network.")
        return await self._host.fetch(arguments)
