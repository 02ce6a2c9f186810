"""Where a MySQL server is, and how to speak TLS with it."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from store.engine.transaction import StoreError

T = TypeVar("T")

# The scheme of an address names the driver, as SQLAlchemy's does.
DRIVERS = {"mysql": "aiomysql", "mysql+aiomysql": "aiomysql", "mysql+asyncmy": "asyncmy"}
# `verify`: the certificate must be valid for the host. `required`: any certificate will do.
TLS = ("verify", "required", "off")
# The files after the address: of the authorities to accept, and of our own certificate and key.
FILES = ("ca", "cert", "key")


@dataclass(frozen=True)
class Address:
    driver: str
    host: str
    port: int
    user: str
    password: str
    database: str
    tls: str
    ca: str = ""
    cert: str = ""
    key: str = ""

    @cached_property
    def ssl(self) -> ssl.SSLContext | None:
        """Read from the files once: the authorities take 80 ms. Raise StoreError."""
        if self.tls == "off":
            return None
        context = self._read(self.ca, lambda: ssl.create_default_context(cafile=self.ca or None))
        if self.tls == "required":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert:
            self._read(self.cert, lambda: context.load_cert_chain(self.cert, self.key or None))
        return context

    def _read(self, path: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except OSError as exc:
            raise StoreError(
                f"HUBBUB_DATABASE_URL: cannot use {path} for TLS with {self.host}: "
                f"{exc.strerror or exc}. ca and cert must be PEM files, and key the PEM file of "
                "cert's private key without a passphrase."
            ) from exc


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
        **_tls(parts.hostname, parts.query),
    )


def _tls(host: str, query: str) -> dict[str, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    files = {name: path for name in FILES if (path := given.pop(name, ""))}
    tls = given.pop("tls", "off" if _is_loopback(host) and not files else "verify")
    if given or tls not in TLS:
        wrong = f"it has {', '.join(given)}" if given else f"tls is {tls!r}"
        raise StoreError(
            f"HUBBUB_DATABASE_URL accepts only ?tls={', ?tls='.join(TLS)} after the name, and the "
            f"files ca, cert and key; {wrong}."
        )
    if wrong := _without_effect(tls, files):
        raise StoreError(f"HUBBUB_DATABASE_URL has {wrong}.")
    return {"tls": tls, **files}


def _without_effect(tls: str, files: Mapping[str, str]) -> str:
    """What is wrong with the files, because they would have no effect."""
    if "key" in files and "cert" not in files:
        return "a key without cert, the certificate that belongs to it"
    if tls == "off" and files:
        return f"tls=off, with which {' and '.join(files)} would have no effect"
    if tls == "required" and "ca" in files:
        return "tls=required, which accepts any certificate, so that ca would have no effect"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
