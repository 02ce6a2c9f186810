#!/usr/bin/env bash
# An agent without a model: it keeps the list of the Python files in SOURCES.txt up to date.
set -euo pipefail

# Calls an operation of Hubbub: call NAME ARGUMENTS
call() {
  curl -sS --fail-with-body -H "Content-Type: application/json" "$HUBBUB_API_URL/$1" -d "$2"
}

fence=$(call claim_task "$(jq -n '{task: env.HUBBUB_TASK}')" | jq .fence)

find . -name '*.py' -not -path './.*' | sort > SOURCES.txt

# Each write gets an id at once, and goes out in order.
call github_commit_files "$(
  jq -n --argjson fence "$fence" --rawfile content SOURCES.txt '{
    task: env.HUBBUB_TASK, fence: $fence, branch: "list-sources", message: "List the sources",
    files: [{path: "SOURCES.txt", content: $content}]}'
)" > commit.json
call github_create_pr "$(
  jq -n --argjson fence "$fence" '{
    task: env.HUBBUB_TASK, fence: $fence, head: "list-sources", title: "List the sources"}'
)" > pull.json

# Wait until the pull request is there. Hubbub answers after 30 seconds at the latest.
write=$(jq -r '.writes[0].write_id' pull.json)
for _ in 1 2 3 4; do
  sent=$(call get_write "$(jq -n --arg id "$write" '{write_id: $id, wait_s: 30}')")
  [ "$(jq -r '.writes[0].state' <<< "$sent")" = sent ] && break
done
jq -r '.writes[0] | "Opened pull request #\(.result.number)."' <<< "$sent"
