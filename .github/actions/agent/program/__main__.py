"""Connects a job of GitHub Actions to Hubbub. Needs Python 3.9 or newer and nothing else.

`start` gets a session and starts `serve` in the background. `serve` renews the session and answers
on loopback. `finish` reports the result of the agent and ends both.
"""

import sys

import finish
import serve
import start
from runner import Problem, error

COMMANDS = {"start": start.main, "serve": serve.main, "finish": finish.main}


def main() -> int:
    try:
        COMMANDS[sys.argv[1]]()
    except Problem as problem:
        error(str(problem))
        return 1
    return 0


sys.exit(main())
