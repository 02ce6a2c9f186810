"""Sends mail by SMTP."""

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.notifications.message import Message, one_line
from bot.notifications.outcomes import Failed, Outcome, Sent
from bot.notifications.services.mail import mail
from bot.settings import Settings

TIMEOUT_S = 15.0


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
        except (OSError, smtplib.SMTPException, ValueError) as exc:
            return Failed(f"the mail server could not be used: {type(exc).__name__}")
        if refused:
            # The others have the mail. They must not get it again.
            return Sent(f"the mail server refused {', '.join(sorted(refused))}")
        return Sent()

    def _deliver(self, recipients: Sequence[str], message: Message) -> dict[str, object]:
        """Return the recipients that the server refused."""
        context = self.context or ssl.create_default_context()
        with self._connect(context) as server:
            if self.tls == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
            content = mail(message, self.sender, recipients)
            return dict(server.send_message(content, self.sender, list(recipients)))

    def _connect(self, context: ssl.SSLContext) -> smtplib.SMTP:
        if self.tls == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)


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
