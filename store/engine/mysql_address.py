"""Where a MySQL server is, and how to speak TLS with it."""

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit

from store.engine.transaction import StoreError

# The scheme of an address names the driver, as SQLAlchemy's does.
DRIVERS = {"mysql": "aiomysql", "mysql+aiomysql": "aiomysql", "mysql+asyncmy": "asyncmy"}
# `verify`: the certificate must be valid for the host. `required`: any certificate will do.
TLS = ("verify", "required", "off")


@dataclass(frozen=True)
class Address:
    driver: str
    host: str
    port: int
    user: str
    password: str
    database: str
    tls: str

    def ssl(self) -> ssl.SSLContext | None:
        if self.tls == "off":
            return None
        context = ssl.create_default_context()
        if self.tls == "required":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def names_mysql(url: str) -> bool:
    return urlsplit(url).scheme in DRIVERS


def address(url: str) -> Address:
    """`mysql://user:password@host:3306/name?tls=verify`, percent-encoded where it must be."""
    parts = urlsplit(url)
    name = parts.path.lstrip("/")
    if not parts.hostname or not name:
        raise StoreError(
            "HUBBUB_DATABASE_URL must look like mysql://user:password@host:3306/name; "
            f"{'the host' if not parts.hostname else 'the name of the database'} is missing."
        )
    return Address(
        driver=DRIVERS[parts.scheme],
        host=parts.hostname,
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        database=unquote(name),
        tls=_tls(parts.hostname, parts.query),
    )


def _tls(host: str, query: str) -> str:
    given = dict(parse_qsl(query, keep_blank_values=True))
    tls = given.pop("tls", "off" if _is_loopback(host) else "verify")
    if given or tls not in TLS:
        wrong = f"it has {', '.join(given)}" if given else f"tls is {tls!r}"
        raise StoreError(
            f"HUBBUB_DATABASE_URL accepts only ?tls={', ?tls='.join(TLS)} after the name; {wrong}."
        )
    return tls


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
