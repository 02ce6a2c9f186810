"""What intake is measured by: a handler that reads the body and checks its signature."""

import hashlib
import hmac

from aiohttp import web

from tests.benchmarks.processes import SECRET


async def receive(request: web.Request) -> web.Response:
    body = await request.read()
    found = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    good = hmac.compare_digest(found, request.headers["X-Hub-Signature-256"])
    return web.json_response({"accepted": good}, status=202 if good else 401)


async def main() -> None:
    app = web.Application()
    app.router.add_post("/webhooks/github", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("listening on http://{}:{}".format(*runner.addresses[0]), flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    import asyncio

    asyncio.run(main())
