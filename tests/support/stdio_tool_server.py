"""An MCP server on standard input and output, as a program of its own. Argument: its folder.

It writes its process id to the file `pid`. A call of `die` kills it, `leave` starts a process that
stays, `stubborn` has it ignore the end of its input and SIGTERM, `line` prints a long line. `flood`
is stubborn too and prints for ever on both of its outputs, with a child that is in another session.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
# By the name of a tool: answers as some servers write them.
ODD = {
    "mark": '\ufeff{"jsonrpc": "2.0", "id": ID, "result": {"content": "marked"}}',
    "half": '{"jsonrpc": "2.0", "id": ID, "result": {"content": "a \\ud83d b \\ud83d\\ude00"}}',
    "wrong": '{"jsonrpc": "2.0", "id": ID, "result": "all is well"}',
}


def say(line: str) -> None:
    sys.stdout.buffer.write(line.encode() + b"\n")
    sys.stdout.flush()


def answer(message: dict[str, Any], result: dict[str, Any]) -> None:
    say(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}))


def call(message: dict[str, Any]) -> None:
    name = message["params"]["name"]
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "leave":
        child = subprocess.Popen(["sleep", "600"])
        (FOLDER / "child").write_text(str(child.pid))
    if name == "line":
        say("x" * 20_000_000)
    if name == "flood":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        answer(message, {"content": []})
        heir = subprocess.Popen(["sleep", "600"], start_new_session=True)
        (FOLDER / "heir").write_text(str(heir.pid))
        while True:
            sys.stderr.write("x" * 65_535 + "\n")
            say("y" * 65_535)
    if name == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (FOLDER / "stubborn").touch()
    if name in ODD:
        say(ODD[name].replace("ID", str(message["id"])))
        return
    text = json.dumps({"environment": sorted(os.environ), "folder": str(Path.cwd())})
    answer(message, {"content": [{"type": "text", "text": text}]})


def main() -> None:
    (FOLDER / "pid").write_text(str(os.getpid()))
    sys.stderr.write("ready to serve\n")
    sys.stderr.flush()
    say("not a message")
    for line in sys.stdin:
        message = json.loads(line)
        method = message.get("method")
        if method == "initialize":
            found = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
            answer(message, found | {"serverInfo": {"name": "local", "version": "1"}})
        elif method == "tools/list":
            tool = {"name": "look", "description": "Looks.", "inputSchema": {"type": "object"}}
            answer(message, {"tools": [tool]})
        elif method == "tools/call":
            call(message)
        elif "id" in message:
            error = {"code": -32601, "message": "Method not found"}
            say(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}))
    while (FOLDER / "stubborn").exists():
        time.sleep(0.1)


if __name__ == "__main__":
    main()
