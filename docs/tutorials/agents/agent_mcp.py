"""An agent by MCP, with `pip install mcp`: python agent_mcp.py https://hubbub.example.com ada."""

import asyncio
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL, AGENT = sys.argv[1:3]
HEADERS = {"Authorization": f"Bearer {os.environ['HUBBUB_TOKEN']}"}


async def call(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    answer = result.structured_content
    if result.is_error:
        sys.exit(f"{tool}: {answer['error']['message']}")
    for notice in answer.get("notices", []):  # what people and Hubbub want you to know
        print("Notice:", notice["message"])
    return answer


def solve(claim):
    """Your model works here. Return the files to commit."""
    return [{"path": f"notes/{claim['fence']}.md", "content": claim["task"]["title"] + "\n"}]


async def work(client):
    await call(client, "register_agent", agent_id=AGENT, name="Tutorial agent")
    while claimed := (claim := await call(client, "claim_task", wait_s=5)).get("task"):
        title, task = claimed["title"], claimed["task"]
        mine = {"task": task, "fence": claim["fence"]}
        branch = f"{AGENT}-{task.rpartition('#')[2]}"
        commit = {"branch": branch, "message": title, "files": solve(claim)}
        await call(client, "github_commit_files", **mine, **commit)
        opened = await call(client, "github_create_pr", **mine, head=branch, title=title)
        write = opened["writes"][0]["write_id"]
        pull = await call(client, "get_write", write_id=write, wait_s=50)
        await call(client, "update_task_status", **mine, status="in_review", progress=100)
        print(f"{task} is in review: pull request {pull['writes'][0]['result']['number']}")
    print("No task is ready.")


async def main():
    async with (
        httpx2.AsyncClient(headers=HEADERS, timeout=60) as http,
        Client(streamable_http_client(f"{URL}/mcp", http_client=http)) as client,
    ):
        await work(client)


asyncio.run(main())
