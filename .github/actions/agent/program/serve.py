"""The background process: it lives from the start of the session to the end of the job.

The runner ends it with the job, as it ends every process that a job leaves behind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from hubbub import Server, Tokens
from proxy import Proxy
from runner import folder, write_json
from session import Session

# The file that says where the process listens.
STATE = "session.json"


def main() -> None:
    # An agent that is interrupted with its whole group must not end the session.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    given = json.load(sys.stdin)
    file = Path(given["token_file"]) if given["token_file"] else None
    session = Session(Server(**given["server"]), Tokens(**given["tokens"]), file)
    with Proxy(session, given["key"]) as proxy:
        threading.Thread(target=session.run, daemon=True).start()
        write_json(folder() / STATE, state(proxy))
        proxy.serve_forever(poll_interval=0.1)


def state(proxy: Proxy) -> dict[str, Any]:
    session = proxy.session
    return {
        "url": proxy.url,
        "agent_id": session.agent_id,
        "run": session.server.run,
        "process": os.getpid(),
    }
