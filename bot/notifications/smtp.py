"""Sends mail by SMTP."""

import asyncio
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from bot.notifications.message import Message, one_line
from bot.notifications.outcomes import Failed, Outcome, Sent
from bot.notifications.services.mail import mail
from bot.settings import Settings

# For one answer of the server.
TIMEOUT_S = 15.0
# For all of them: an attempt must end before another process may send the message again.
LONGEST_S = 40.0


@dataclass(frozen=True)
class MailServer:
    """`tls`: starttls, tls from the first byte on, or none."""

    host: str
    port: int
    sender: str
    tls: str = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    # For tests, whose certificate nobody signed.
    context: ssl.SSLContext | None = field(default=None, repr=False)
    longest_s: float = LONGEST_S

    async def send(self, recipients: Sequence[str], message: Message) -> Outcome:
        """Send it once, in a thread: the library waits for the server."""
        return await asyncio.to_thread(self._try_to_send, recipients, message)

    def _try_to_send(self, recipients: Sequence[str], message: Message) -> Outcome:
        try:
            refused = self._deliver(recipients, message)
        except smtplib.SMTPResponseException as exc:
            said = exc.smtp_error
            text = said.decode(errors="replace") if isinstance(said, bytes) else said
            return Failed(f"the mail server answered {exc.smtp_code}: {one_line(text)[:150]}")
        except UnicodeEncodeError:
            return Failed("HUBBUB_SMTP_USER or HUBBUB_SMTP_PASSWORD is not plain ASCII")
        except (OSError, smtplib.SMTPException, ValueError) as exc:
            return Failed(f"the mail server could not be used: {type(exc).__name__}")
        if refused:
            # The others have the mail. They must not get it again.
            return Sent(f"the mail server refused {', '.join(sorted(refused))}")
        return Sent()

    def _deliver(self, recipients: Sequence[str], message: Message) -> dict[str, object]:
        """Return the recipients that the server refused, if it accepted others."""
        context = self.context or ssl.create_default_context()
        with self._session(context) as server:
            if self.tls == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
            content = mail(message, self.sender, recipients)
            return dict(server.send_message(content, self.sender, list(recipients)))

    @contextmanager
    def _session(self, context: ssl.SSLContext) -> Iterator[smtplib.SMTP]:
        """A connection that ends when the attempt takes too long.

        The library's own context fails if the server answers QUIT with an error, and the mail is
        sent by then.
        """
        server = self._connect(context)
        limit = threading.Timer(self.longest_s, _end_connection, (server,))
        limit.start()
        try:
            yield server
        finally:
            with suppress(OSError):
                server.quit()
            limit.cancel()

    def _connect(self, context: ssl.SSLContext) -> smtplib.SMTP:
        if self.tls == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)


def _end_connection(server: smtplib.SMTP) -> None:
    """End the connection under TLS, so that the thread that waits for an answer goes on."""
    if server.sock is not None:
        with suppress(OSError):
            socket.socket.shutdown(server.sock, socket.SHUT_RDWR)


def mail_server(loaded: Settings) -> MailServer | None:
    """None without HUBBUB_SMTP_HOST."""
    if not loaded.smtp_host:
        return None
    password = loaded.smtp_password.get_secret_value() if loaded.smtp_password else ""
    return MailServer(
        loaded.smtp_host,
        loaded.smtp_port,
        loaded.smtp_from,
        loaded.smtp_tls,
        loaded.smtp_user,
        password,
    )
