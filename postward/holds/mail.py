"""Notices by mail, through the local Postfix.

The mail comes from this host with the null sender: no rule that is about strangers asks it, nothing
holds it, and nothing answers it (RFC 3834 2).
"""

import asyncio
import smtplib
from contextlib import suppress
from dataclasses import dataclass
from email.mime.text import MIMEText
from email.utils import formatdate, make_msgid

from postward.holds.notice import Notice, NotTold, subject, text

_TIMEOUT = 10.0  # seconds for each step of the dialogue


@dataclass(frozen=True, slots=True)
class ByMail:
    """`server`: address and port. `host`: this host's name, for HELO and Message-ID."""

    to: tuple[str, ...]
    sender: str
    server: tuple[str, int]
    host: str

    name = "mail"
    pause = 600.0
    """Seconds between two mails at least."""

    async def send(self, notice: Notice) -> None:
        """Send one mail about all of it. Raises NotTold."""
        try:
            await asyncio.to_thread(self._send, self.compose(notice))
        except (OSError, smtplib.SMTPException) as error:
            raise NotTold(str(error) or type(error).__name__) from error

    def compose(self, notice: Notice) -> str:
        """The message, RFC 5322."""
        message = MIMEText(text(notice), "plain", "us-ascii")
        for name, value in (
            ("From", self.sender),
            ("To", ", ".join(self.to)),
            ("Subject", subject(notice)),
            ("Date", formatdate(notice.at)),
            ("Message-ID", make_msgid(domain=self.host)),
            ("Auto-Submitted", "auto-generated"),  # RFC 3834 5
        ):
            message[name] = value
        return message.as_string()

    def _send(self, message: str) -> None:
        server = smtplib.SMTP(*self.server, local_hostname=self.host, timeout=_TIMEOUT)
        try:
            refused = server.sendmail("", self.to, message)
            if len(refused) == len(self.to):
                raise smtplib.SMTPRecipientsRefused(refused)
            with suppress(OSError, smtplib.SMTPException):  # it has taken the mail already
                server.quit()
        finally:
            server.close()
