"""TLS to MySQL, which only the address decides."""

import asyncio
import os
import secrets
from pathlib import Path

import pytest

from store.engine.database import open_store
from store.engine.mysql_address import address
from store.engine.schema_version import check
from store.engine.transaction import StoreError, Tx
from tests.conftest import MariaDB
from tests.support.tcp_proxy import network
from tests.support.throwaway_mariadb import AUTHORITY, KEY


@pytest.fixture
def certificate() -> Path:
    """The certificate of the test server, which is its own authority."""
    if (path := os.environ.get(AUTHORITY)) is None:
        pytest.skip("only the MariaDB that the tests start has a certificate that they know")
    return Path(path)


async def cipher_of(url: str) -> str:
    """How a session is encrypted; empty without TLS."""

    async def work(tx: Tx) -> str:
        row = await tx.one("SHOW STATUS LIKE 'Ssl_cipher'")
        return str(row["Value"]) if row else ""

    store = await open_store(url)
    found = await store.read(work)
    await store.close()
    return found


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("mysql://u@db.example.com/x", "verify"),
        ("mysql://u@10.0.0.7/x", "verify"),
        ("mysql://u@127.0.0.1/x", "off"),
        ("mysql://u@[::1]/x", "off"),
        ("mysql://u@localhost/x", "off"),
        ("mysql://u@db.example.com/x?tls=off", "off"),
        ("mysql://u@127.0.0.1/x?tls=required", "required"),
    ],
)
def test_a_server_on_another_machine_is_reached_by_verified_tls_on_mysql_unless_the_address_says(
    url: str, tls: str
) -> None:
    assert address(url).tls == tls


@pytest.mark.parametrize("query", ["tls=yes", "tls=", "ssl=true", "tls=off&charset=latin1"])
def test_an_address_with_another_parameter_is_refused_on_mysql(query: str) -> None:
    with pytest.raises(StoreError, match="accepts only"):
        address(f"mysql://u@127.0.0.1/x?{query}")


async def test_a_verified_certificate_encrypts_sessions_and_migrations_on_mysql(
    migrated_mysql_url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    url = f"{migrated_mysql_url}?tls=verify"
    assert await cipher_of(url)
    assert await asyncio.to_thread(check, url) is None


@pytest.mark.usefixtures("certificate")
async def test_a_certificate_that_nobody_vouches_for_is_refused_with_the_reason_on_mysql(
    migrated_mysql_url: str,
) -> None:
    url = f"{migrated_mysql_url}?tls=verify"
    with pytest.raises(StoreError, match=r"127\.0\.0\.1.*certificate verify failed.*SSL_CERT_FILE"):
        await open_store(url)
    with pytest.raises(StoreError, match="certificate verify failed"):
        await asyncio.to_thread(check, url)


async def test_the_address_may_name_the_authority_on_mysql(
    migrated_mysql_url: str, certificate: Path
) -> None:
    url = f"{migrated_mysql_url}?ca={certificate}"
    assert await cipher_of(url)
    assert await asyncio.to_thread(check, url) is None


async def test_the_server_gets_the_certificate_that_the_address_names_on_mysql(
    migrated_mysql_url: str, mariadb: MariaDB, certificate: Path
) -> None:
    name = f"x{secrets.token_hex(5)}"
    mariadb.execute(
        f"CREATE USER {name}@'%' REQUIRE X509",
        f"GRANT ALL ON {address(migrated_mysql_url).database}.* TO {name}@'%'",
    )
    # The server is its own authority, so it accepts its own certificate from a client.
    url = migrated_mysql_url.replace("root@", f"{name}@") + f"?ca={certificate}"
    with pytest.raises(StoreError, match="Access denied"):
        await open_store(url)
    url += f"&cert={certificate}&key={certificate.with_name(KEY)}"
    assert await cipher_of(url)
    assert await asyncio.to_thread(check, url) is None
    mariadb.execute(f"DROP USER {name}@'%'")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("ca=/missing.pem", "cannot use /missing.pem for TLS with 127.0.0.1: No such file"),
        ("tls=off&ca=a.pem", "tls=off, with which ca would have no effect"),
        ("tls=required&ca=a.pem", "accepts any certificate, so that ca would have no effect"),
        ("key=a.pem", "a key without cert"),
        (f"ca={__file__}", "must be PEM files"),
        (f"tls=required&cert={__file__}", "must be PEM files"),
    ],
)
async def test_files_for_tls_that_cannot_be_used_are_named_on_mysql(query: str, why: str) -> None:
    with pytest.raises(StoreError, match=why):
        await open_store(f"mysql://u@127.0.0.1/x?{query}")


async def test_a_certificate_for_another_host_is_refused_on_mysql(
    migrated_mysql_url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    url = migrated_mysql_url.replace("127.0.0.1", "localhost")
    with pytest.raises(StoreError, match="certificate is not valid for 'localhost'"):
        await open_store(f"{url}?tls=verify")


@pytest.mark.usefixtures("certificate")
async def test_required_encrypts_without_a_look_at_the_certificate_on_mysql(
    migrated_mysql_url: str,
) -> None:
    assert await cipher_of(f"{migrated_mysql_url}?tls=required")
    assert not await cipher_of(f"{migrated_mysql_url}?tls=off")


async def test_nobody_in_between_can_talk_hubbub_out_of_tls_on_mysql(
    migrated_mysql_url: str,
) -> None:
    where = address(migrated_mysql_url)
    async with network(where.host, where.port) as between:
        between.without_tls = True
        url = migrated_mysql_url.replace(f":{where.port}/", f":{between.port}/")
        for tls in ("verify", "required"):
            with pytest.raises(StoreError, match="does not offer TLS"):
                await open_store(f"{url}?tls={tls}")
            with pytest.raises(StoreError, match="does not offer TLS"):
                await asyncio.to_thread(check, f"{url}?tls={tls}")
