"""Servers in processes of their own, as a benchmark starts and ends them."""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fixtures.github.app import key_pair

SECRET = "the secret of a benchmark, long enough"
LISTENING = "listening on http://"


@contextmanager
def program(*arguments: str, **given: str) -> Iterator[tuple[str, int]]:
    """Run a module that says where it listens: its host and port."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=kept
            | given
            | {
                "PYTHONPATH": os.pathsep.join(
                    [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
                ),
                "PYTHONUNBUFFERED": "1",
            },
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert started.stdout is not None
            line = started.stdout.readline()
            if LISTENING not in line:
                raise RuntimeError((Path(folder) / "log").read_text())
            host, _, port = line.strip().rpartition("/")[2].partition(":")
            yield host, int(port)
        finally:
            started.terminate()
            started.wait()


def serve(database_url: str) -> dict[str, str]:
    """The environment of a `hubbub serve` for which GitHub is away."""
    private, _ = key_pair()
    return {
        "HUBBUB_DATABASE_URL": database_url,
        "HUBBUB_SECRET_KEY": SECRET,
        "HUBBUB_PORT": "0",
        "HUBBUB_LOG_LEVEL": "error",
        "HUBBUB_GITHUB_APP_ID": "4711",
        "HUBBUB_GITHUB_PRIVATE_KEY": private,
        "HUBBUB_GITHUB_WEBHOOK_SECRET": SECRET,
        "HUBBUB_GITHUB_API_URL": "http://127.0.0.1:9",
    }


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """A new SQLite file and, where HUBBUB_TEST_MYSQL_URL names a server, a new database on it."""
    import pymysql  # noqa: PLC0415 - only where there is a server

    with tempfile.TemporaryDirectory() as folder:
        made = {"SQLite": f"sqlite:///{folder}/bench.db"}
        server = os.environ.get("HUBBUB_TEST_MYSQL_URL", "").rstrip("/")
        if not server:
            yield made
            return
        from store.engine.mysql_address import address  # noqa: PLC0415 - as above
        from store.engine.mysql_session import flavour  # noqa: PLC0415 - as above

        where, name = address(f"{server}/mysql"), f"hubbub_bench_{secrets.token_hex(4)}"
        connection = pymysql.connect(
            host=where.host, port=where.port, user=where.user, password=where.password
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            ((version,),) = cursor.fetchall()
            collation = flavour(version).collation
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE {collation}")
            try:
                yield made | {"MariaDB": f"{server}/{name}"}
            finally:
                cursor.execute(f"DROP DATABASE {name}")
        connection.close()
