"""MySQL's error codes, and what Hubbub says about them."""

import re
import ssl

from pymysql import err

from store.engine.mysql_address import Address
from store.engine.transaction import StoreError

# Deadlock (on Galera also a certification failure), lock wait, snapshot, node not ready.
AGAIN = frozenset({1213, 1205, 1020, 1047})
# Cannot connect, gone away, lost in a query, lost in a reply, killed, shutting down, idle too
# long, errors of the network.
LOST = frozenset({2003, 2006, 2013, 2055, 1927, 1053, 4031, 1158, 1159, 1160, 1161})
# The server refuses for a reason that the statement did not cause: its configuration, its disk,
# its memory, its number of connections, the rights of our user.
REFUSED_BY_SERVER = frozenset(
    {
        *(1290, 1792, 1836, 3032),  # read-only, offline
        *(1040, 1203, 1226, 1129, 1135, 1637, 3168),  # too many connections, host blocked
        *(1021, 1114, 1026, 1030, 1180, 3019),  # the disk or the table space is full, I/O errors
        *(1037, 1038, 1041, 1206),  # out of memory, out of locks
        *(
            1044,
            1045,
            1049,
            1130,
            1142,
            1143,
            1227,
            1698,
            1820,
            1862,
            4151,
        ),  # our user is not let in
        *(1969, 3024, 1317),  # ended by the server: it took too long
        2026,  # TLS
    }
)


# What Vitess says of a transaction that took too long, whose shard has another primary now, or for
# which a pool of connections has no room. The codes are those of other errors too: interrupted,
# unknown, too many connections, not available.
VITESS_CODES = frozenset({1317, 1105, 1203, 3168})
VITESS_AGAIN = re.compile(
    r"code = (Aborted|Unavailable|ClusterEvent|ResourceExhausted)|CLUSTER_EVENT|wrong tablet type"
    r"|primary is not serving|no healthy tablet|pool connection limit exceeded"
)


# Access denied, also by a plug-in, and a password that has expired.
DENIED = frozenset({1045, 1698, 1820, 1862})


def is_conflict(exc: err.MySQLError) -> bool:
    """Whether the server asks to try the transaction again."""
    return _code(exc) in AGAIN or _is_vitess_again(exc)


def _is_vitess_again(exc: err.MySQLError) -> bool:
    return _code(exc) in VITESS_CODES and bool(VITESS_AGAIN.search(str(exc.args[-1])))


def is_lost(exc: err.MySQLError) -> bool:
    """Whether the connection is lost, or there was none."""
    return _code(exc) in LOST or isinstance(exc, err.InterfaceError)


def is_refused(exc: err.MySQLError) -> bool:
    return _code(exc) in REFUSED_BY_SERVER and not is_conflict(exc)


def is_unauthorised(exc: err.MySQLError) -> bool:
    """Whether the server knows neither our user nor the password, or no longer."""
    return _code(exc) in DENIED


def _code(exc: err.MySQLError) -> int | None:
    return exc.args[0] if exc.args else None


def unreachable(where: Address, exc: Exception) -> StoreError:
    return StoreError(
        f"Cannot use the MySQL database {where.database} at {where.host}:{where.port} as "
        f"{where.user}: {_reason(exc)}. Check HUBBUB_DATABASE_URL, and that the server runs, "
        f"has the database, and lets the user in.{_remedy(exc)}"
    )


def _remedy(exc: Exception) -> str:
    """What to do about a certificate that was not accepted."""
    if "certificate verify failed" not in _reason(exc):
        return ""
    return (
        " SSL_CERT_FILE can name a file with the authorities to accept; ?tls=required at the end "
        "of the address accepts any certificate."
    )


def refused_by_server(where: Address, exc: Exception) -> StoreError:
    return StoreError(
        f"The MySQL server at {where.host}:{where.port} refuses to work on the database "
        f"{where.database} as {where.user}: {_reason(exc)}."
    )


def _reason(exc: Exception) -> str:
    """What the driver says. It hides why a certificate was not accepted."""
    cause = exc.__cause__
    why = f" ({cause})" if isinstance(cause, ssl.SSLError) else ""
    return f"{exc.args[-1]}{why}"
