"""Signed deliveries, posted over some connections at once; in a process of its own.

Requests are made before the clock starts, and sent over plain sockets: what is measured is the
server.
"""

import asyncio
import hashlib
import hmac
import json
import sys
import time
import uuid

import psutil

from tests.benchmarks.processes import SECRET

HEAD = (
    "POST /webhooks/github HTTP/1.1\r\nHost: {host}:{port}\r\n"
    "User-Agent: GitHub-Hookshot/bench\r\nContent-Type: application/json\r\n"
    "X-GitHub-Event: issues\r\nX-GitHub-Delivery: {guid}\r\n"
    "X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {length}\r\n\r\n"
)


def requests(host: str, port: int, template: dict[str, object], first: int, n: int) -> list[bytes]:
    """`first`: the number of the first issue, so that each is another one."""
    made = []
    for number in range(first, first + n):
        issue = {**template["issue"], "id": 10_000_000 + number, "number": number}  # type: ignore[dict-item]
        body = json.dumps({**template, "issue": issue}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        head = HEAD.format(
            host=host, port=port, guid=uuid.uuid4(), signature=signature, length=len(body)
        )
        made.append(head.encode() + body)
    return made


async def send(host: str, port: int, made: list[bytes], at_once: int) -> float:
    """Seconds until all are answered with 202. Raise RuntimeError at another answer."""
    waiting = iter(made)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for request in waiting:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 202"):
                raise RuntimeError(head.decode())
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(at_once)))
    return time.perf_counter() - began


def busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    host, port, pid, first, n, at_once, path = sys.argv[1:]
    with open(path) as file:  # noqa: PTH123 - a scratch file
        template = json.load(file)
    made = requests(host, int(port), template, int(first), int(n))
    server = psutil.Process(int(pid))
    before = busy(server)
    seconds = asyncio.run(send(host, int(port), made, int(at_once)))
    print(seconds, busy(server) - before)  # noqa: T201
