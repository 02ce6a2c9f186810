"""An agent by REST, with Python alone: python agent_rest.py https://hubbub.example.com writer."""

import json
import os
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL, AGENT = sys.argv[1:3]
HEADERS = {
    "Authorization": f"Bearer {os.environ['HUBBUB_TOKEN']}",
    "Content-Type": "application/json",
}


def call(operation, **arguments):
    request = Request(f"{URL}/api/v1/{operation}", json.dumps(arguments).encode(), HEADERS)
    try:
        with urlopen(request, timeout=60) as response:
            answer = json.load(response)
    except HTTPError as error:
        sys.exit(f"{operation}: {json.load(error)['error']['message']}")
    for notice in answer["notices"]:  # what people and Hubbub want you to know
        print("Notice:", notice["message"])
    return answer


def solve(claim):
    """Your model works here. Return the files to commit."""
    return [{"path": f"notes/{claim['fence']}.md", "content": claim["task"]["title"] + "\n"}]


call("register_agent", agent_id=AGENT, name="Tutorial agent")
while (claim := call("claim_task", wait_s=5))["task"]:
    title, task = claim["task"]["title"], claim["task"]["task"]
    mine = {"task": task, "fence": claim["fence"]}
    branch = f"{AGENT}-{task.rpartition('#')[2]}"
    call("github_commit_files", **mine, branch=branch, message=title, files=solve(claim))
    opened = call("github_create_pr", **mine, head=branch, title=title)
    pull = call("get_write", write_id=opened["writes"][0]["write_id"], wait_s=50)
    call("update_task_status", **mine, status="in_review", progress=100)
    print(f"{task} is in review: pull request {pull['writes'][0]['result']['number']}")
print("No task is ready.")
