"""Check that HUBBUB_TEST_MYSQL_URL names a MySQL, for `make test-mysql`. It starts nothing."""

import os
import sys

import pymysql

from store.engine.mysql_address import address
from store.engine.transaction import StoreError

VARIABLE = "HUBBUB_TEST_MYSQL_URL"
REMEDY = f"""Set {VARIABLE} to a MySQL 8.0.19 or newer whose user may create databases, as in

  {VARIABLE}=mysql://root@127.0.0.1:3306/ make test-mysql

Install MySQL from your system's packages, or run its image in a container:

  docker run --rm -p 3306:3306 -e MYSQL_ALLOW_EMPTY_PASSWORD=yes mysql:9
"""


class NoMySQL(Exception):
    """The variable names no MySQL; the text says what it names."""


def main() -> int:
    try:
        found = version(os.environ.get(VARIABLE, ""))
    except NoMySQL as exc:
        sys.stderr.write(f"{exc}. {REMEDY}")
        return 1
    sys.stdout.write(f"Testing on MySQL {found}\n")
    return 0


def version(url: str) -> str:
    if not url:
        raise NoMySQL(f"{VARIABLE} is not set")
    try:
        where = address(f"{url.rstrip('/')}/mysql")
        with (
            pymysql.connect(
                host=where.host, port=where.port, user=where.user, password=where.password
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT VERSION()")
            ((found,),) = cursor.fetchall()
    except StoreError as exc:
        raise NoMySQL(f"{VARIABLE} is not a URL of a server") from exc
    except pymysql.MySQLError as exc:
        raise NoMySQL(f"{VARIABLE} names a server that refuses: {exc.args[-1]}") from exc
    if "MariaDB" in found:
        raise NoMySQL(f"{VARIABLE} names a MariaDB ({found}), which `make test` tests")
    return str(found)


if __name__ == "__main__":
    sys.exit(main())
