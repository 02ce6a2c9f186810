"""How messages leave: only to addresses that are allowed, and by mail over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.errors import Refused
from bot.notifications.addresses import check_mail, check_web
from bot.notifications.delivery import LEASE
from bot.notifications.outcomes import Failed, Gone, Outcome, Sent, next_attempt, of_answer
from bot.notifications.rules import QuietHours
from bot.notifications.smtp import LONGEST_S, TIMEOUT_S, MailServer
from bot.notifications.targets import Address
from bot.notifications.web import Web
from bot.times import SECOND, parse, stamp
from tests.notifications.test_services import message
from tests.support.client_site import Resolver, write_certificate
from tests.support.receivers import Receiver, open_mail_server, open_receiver

# --- Web addresses -------------------------------------------------------------------------------

REFUSED = {
    "http": "http://hooks.example.com/x",
    "another scheme": "file:///etc/passwd",
    "loopback": "https://127.0.0.1/x",
    "a number": "https://2130706433/x",
    "IPv6": "https://[::1]/x",
    "metadata": "https://169.254.169.254/latest",
    "a name of one word": "https://localhost/x",
    "a port": "https://hooks.example.com:8443/x",
    "a user": "https://me@hooks.example.com/x",
    "a backslash": "https://hooks.example.com\\@evil.example/x",
    "a line end": "https://hooks.example.com/x\nHost: y",
    "a space": "https://hooks.example.com/x y",
    "a fragment": "https://hooks.example.com/x#y",
    "too long": "https://hooks.example.com/" + "x" * 1000,
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
async def test_an_address_that_may_be_private_is_refused_when_added_and_when_sent(url: str) -> None:
    with pytest.raises(Refused, match="The address cannot be used") as refused:
        check_web(url, ())
    names_the_setting = "set HUBBUB_NOTIFY_ORIGINS=http://host:port, and restart `hubbub serve`"
    assert ("HUBBUB_" in str(refused.value)) == (names_the_setting in str(refused.value))
    outcome = await Web().send("slack", Address(url), message())
    assert isinstance(outcome, Failed)
    assert outcome.why.startswith("The address cannot be used")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T/B/x",
        "https://discord.com/api/webhooks/1/x?wait=true",
        "https://prod-1.westeurope.logic.azure.com/workflows/x?sig=y%2Fz&api-version=1",
        "https://Hooks.Example.com:443/x",
    ],
)
def test_addresses_of_the_services_are_accepted(url: str) -> None:
    assert not check_web(url, ()).is_trusted


@pytest.mark.parametrize(
    "answers",
    [
        ["10.0.0.1"],
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["fd00::1"],
        ["::ffff:10.0.0.1"],
        # One of several is enough.
        ["93.184.216.34", "192.168.0.1"],
    ],
)
async def test_a_host_that_leads_to_a_private_address_gets_nothing(answers: list[str]) -> None:
    """The check is of the addresses to which the connection would be made."""
    resolver = Resolver(443, answers)
    outcome = await Web(resolver=resolver).send("slack", Address(GOOD), message())
    assert outcome == Failed(NOT_PUBLIC)
    assert resolver.asked == 1


NOT_PUBLIC = "it could not be reached: the host has an address that is not public"
GOOD = "https://hooks.example.com/x"


async def test_only_an_origin_that_the_operator_allowed_may_be_private(receiver: Receiver) -> None:
    address = Address(receiver.url)
    assert isinstance(await Web().send("slack", address, message()), Failed)
    other = Web(frozenset({"http://127.0.0.1:1"}))
    assert isinstance(await other.send("slack", address, message()), Failed)
    assert receiver.requests == []
    trusted = Web(frozenset({receiver.origin}))
    assert await trusted.send("slack", address, message()) == Sent()
    ((headers, _),) = receiver.requests
    assert headers["Content-Type"] == "application/json"
    assert "Cookie" not in headers


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


async def test_what_a_server_answers_never_shows_the_address(receiver: Receiver) -> None:
    receiver.status, receiver.text = 500, "x" * 100_000
    found = await Web(frozenset({receiver.origin})).send("slack", Address(receiver.url), message())
    assert isinstance(found, Failed)
    assert len(found.why) < 200
    secret = "T0/B0/verysecretpart?token=another%20one"
    receiver.status = 400
    receiver.text = "Cannot POST /in/T0/B0/verysecretpart?token=another%20one (another one)"
    app = Web(frozenset({receiver.origin}))
    found = await app.send("slack", Address(f"{receiver.url}/{secret}"), message())
    assert found == Failed("it answered 400: Cannot POST /in/T0/B0/…?token=… (…)")
    port_of_nobody = Address("http://127.0.0.1:9/secret")
    found = await Web(frozenset({"http://127.0.0.1:9"})).send("slack", port_of_nobody, message())
    assert found == Failed("it could not be reached: ClientConnectorError")


@pytest.mark.parametrize(
    "rest", [b"Content-Length: 9\r\n\r\nok", b"Content-Length: 9\r\n\r\n", b"X"]
)
async def test_what_happens_after_a_server_took_a_message_is_no_reason_to_repeat_it(
    rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer's body may break off, or never come."""
    if rest == b"X":
        monkeypatch.setattr("bot.notifications.web.TIMEOUT_S", 0.5)
    monkeypatch.setattr("bot.notifications.web.BODY_S", 0.1)

    is_over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + rest)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        is_over.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        found = await Web(frozenset({origin})).send("slack", Address(f"{origin}/in"), message())
        await is_over.wait()
    if rest == b"X":
        assert found == Failed("it did not answer within 0.5 s")
    else:
        assert found == Sent()


NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {}, Sent()),
        (202, {}, Sent()),
        (204, {}, Sent()),
        (302, {}, Failed("it answered 302; redirects are not followed")),
        (400, {}, Failed("it answered 400: no")),
        (404, {}, Gone("it answered 404: no")),
        (410, {}, Gone("it answered 410: no")),
        (429, {"Retry-After": "30"}, Failed("it answered 429: no", 30)),
        (503, {"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT"}, Failed("it answered 503: no", 60)),
        (503, {"Retry-After": "Fri, 15 Jan 2021 08:01:00 GMT"}, Failed("it answered 503: no")),
        (503, {"Retry-After": "soon"}, Failed("it answered 503: no")),
        (503, {"Retry-After": "9" * 400}, Failed("it answered 503: no", 6 * 3600)),
        # Dates with numbers that no date has room for.
        (503, {"Retry-After": f"1 Jan {'9' * 20} 00:00:00 GMT"}, Failed("it answered 503: no")),
        (503, {"Retry-After": f"1 Jan 2029 00:00 +{'9' * 20}"}, Failed("it answered 503: no")),
    ],
)
def test_what_follows_from_an_answer(
    status: int, headers: dict[str, str], expected: Outcome
) -> None:
    assert of_answer(status, headers, "no", NOW) == expected


def test_attempts_come_ever_more_rarely_and_end() -> None:
    waits = [next_attempt(Failed("x"), n, 0) for n in range(1, 9)]
    assert [each and each // SECOND for each in waits] == [
        *(10, 30, 90, 300, 900, 1800, 3600),
        None,
    ]
    assert next_attempt(Failed("x", 600), 1, 0) == 600 * SECOND


@pytest.mark.parametrize(
    ("zone", "at", "end"),
    [
        ("UTC", "2027-01-15T21:59:00Z", None),
        ("UTC", "2027-01-15T22:00:00Z", "2027-01-16T07:00:00Z"),
        ("UTC", "2027-01-16T06:59:59Z", "2027-01-16T07:00:00Z"),
        ("UTC", "2027-01-16T07:00:00Z", None),
        ("Europe/Berlin", "2027-01-15T21:30:00Z", "2027-01-16T06:00:00Z"),
        # The clock is set forward in this night.
        ("Europe/Berlin", "2027-03-27T22:00:00Z", "2027-03-28T05:00:00Z"),
    ],
)
def test_quiet_hours_end_in_their_time_zone(zone: str, at: str, end: str | None) -> None:
    found = QuietHours(begin="22:00", end="07:00", zone=zone).end_of(parse(at))
    assert (found and stamp(found)) == end


@pytest.mark.parametrize(
    ("at", "end"),
    [
        # The clock is set back at 03:00, so 02:30 comes twice.
        ("2027-10-31T00:20:00Z", "2027-10-31T00:30:00Z"),
        ("2027-10-31T01:20:00Z", "2027-10-31T01:30:00Z"),
        # The clock is set forward at 02:00, so there is no 02:30.
        ("2027-03-28T00:59:00Z", "2027-03-28T01:30:00Z"),
    ],
)
def test_quiet_hours_never_end_in_the_past(at: str, end: str) -> None:
    found = QuietHours(begin="22:00", end="02:30", zone="Europe/Berlin").end_of(parse(at))
    assert found
    assert stamp(found) == end


# --- Mail ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to",
    ["", "ada", "ada@localhost", "a@b.de\nBcc: x@y.de", "<a@b.de>", "a b@c.de", "a@b.de," * 21],
)
def test_a_wrong_mail_address_is_refused(to: str) -> None:
    with pytest.raises(Refused, match="mail address"):
        check_mail(to)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    write_certificate(path)
    return path


@pytest.mark.parametrize("tls", ["starttls", "tls", "none"])
async def test_a_mail_is_sent(certificate: Path, tls: str) -> None:
    serves = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serves.load_cert_chain(certificate)
    trusts = ssl.create_default_context(cafile=str(certificate))
    trusts.check_hostname = False
    given = None if tls == "none" else serves
    async with open_mail_server(given, starttls=tls == "starttls") as box:
        server = MailServer("127.0.0.1", box.port, "hubbub@example.com", tls, context=trusts)
        assert await server.send(["ada@example.com"], message()) == Sent()
        if tls != "none":
            # A certificate that nobody signed.
            other = MailServer("127.0.0.1", box.port, "hubbub@example.com", tls)
            found = await other.send(["ada@example.com"], message())
            assert found == Failed("the mail server could not be used: SSLCertVerificationError")
        box.refusal = "550 no such user"
        found = await server.send(["ada@example.com"], message())
    assert found == Failed("the mail server could not be used: SMTPRecipientsRefused")
    ((recipients, mail),) = box.mails
    assert recipients == ["ada@example.com"]
    assert mail["Message-ID"] == "<n_1@example.com>"


async def test_who_got_a_mail_does_not_get_it_again_because_another_was_refused() -> None:
    async with open_mail_server(None, starttls=False) as box:
        box.refused = "left@example.com"
        server = MailServer("127.0.0.1", box.port, "hubbub@example.com", "none")
        found = await server.send(["ada@example.com", "left@example.com"], message())
    assert found == Sent("the mail server refused left@example.com")
    assert [recipients for recipients, _ in box.mails] == [["ada@example.com"]]


async def test_a_server_without_starttls_gets_no_mail() -> None:
    async with open_mail_server(None, starttls=True) as box:
        server = MailServer("127.0.0.1", box.port, "hubbub@example.com", "starttls")
        found = await server.send(["ada@example.com"], message())
    assert found == Failed("the mail server could not be used: SMTPNotSupportedError")
    assert box.mails == []


PLAIN = ("hubbub@example.com", "none")


async def test_a_mail_is_sent_whatever_the_server_answers_to_the_goodbye() -> None:
    async with open_mail_server(None, starttls=True) as box:
        box.farewell = "421 closing"
        server = MailServer("127.0.0.1", box.port, *PLAIN)
        assert await server.send(["ada@example.com"], message()) == Sent()
    assert len(box.mails) == 1


@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
async def test_a_slow_mail_server_gets_no_mail_after_the_time_for_an_attempt(
    certificate: Path, tls: str
) -> None:
    """Another process may begin the next attempt by then."""
    serves = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serves.load_cert_chain(certificate)
    trusts = ssl.create_default_context(cafile=str(certificate))
    trusts.check_hostname = False
    given = None if tls == "none" else serves
    async with open_mail_server(given, starttls=tls != "tls") as box:
        box.pause_s = 0.2
        sender = "hubbub@example.com"
        server = MailServer("127.0.0.1", box.port, sender, tls, context=trusts, longest_s=0.5)
        found = await server.send([f"{n}@example.com" for n in range(20)], message())
    assert isinstance(found, Failed)
    assert box.mails == []
    assert LONGEST_S + TIMEOUT_S < LEASE / SECOND


async def test_a_password_that_the_library_cannot_send_is_named() -> None:
    async with open_mail_server(None, starttls=True) as box:
        server = MailServer("127.0.0.1", box.port, *PLAIN, user="hubbub", password="pässwört")
        found = await server.send(["ada@example.com"], message())
    assert found == Failed("HUBBUB_SMTP_USER or HUBBUB_SMTP_PASSWORD is not plain ASCII")
