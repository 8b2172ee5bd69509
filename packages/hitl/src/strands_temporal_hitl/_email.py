"""`EmailNotifier`: tells people of questions by e-mail, over SMTP. Runs in an activity, on the worker."""

import asyncio
import hashlib
import smtplib
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from html import escape
from typing import Any, Literal, cast

from temporalio.exceptions import ApplicationError

from ._links import DecisionLinks
from ._notice_text import NoticeText, QuestionText, command_of, line, text_of
from ._notices import ApprovalNotice, Told

EMAIL_REFUSED = "EmailRefused"
EMAIL_UNAVAILABLE = "EmailUnavailable"

Recipients = Sequence[str] | Callable[[ApprovalNotice], Sequence[str]]
"""Addresses, or a function that returns the addresses for a notice."""

_LONGEST_SUBJECT = 150
_LONGEST_LINE = 998  # of SMTP
_LONGEST_ARGUMENTS = 20_000
_KEPT = 1_000  # the latest mails that were sent, so that a further attempt does not send them again
_PERMANENT = 500
_MOST = 100


class EmailNotifier:
    """Sends a mail to each person when an agent asks, at reminders and escalations, and at the decision.

    The mails of one pause are one thread. Each has a text and an HTML part, with the call's arguments. With
    `links` it has a link per verdict, for that person alone; without, it says how to decide by the command
    line. What models, tools and people wrote stands in it as text: it never makes markup or a header.

    Refused logins, and addresses that the server refuses for good, are not tried again. Everything else is.

    Args:
        host: Name of the SMTP server.
        port: Its port; by default 587, or 465 with `tls="tls"`.
        sender: The address in From, also with a name: "Approvals <approvals@example.com>".
        to: The addresses, or a function that returns them for a notice.
        tls: "starttls": the connection becomes encrypted, or no mail is sent. "tls": it is from the start.
            "none": it is not, for a server on the same machine.
        login: Name and password.
        links: Makes the links by which people decide.
        decisions: Whether people are told of decisions too.
        context: Settings of TLS, for example a private authority.
        timeout: Timeout of the connection and of each answer. More than 30 seconds has no effect.

    Raises:
        ValueError: If an address is none, there is none, `tls` is unknown, or a login would go unencrypted.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        sender: str,
        to: Recipients,
        tls: Literal["starttls", "tls", "none"] = "starttls",
        login: tuple[str, str] | None = None,
        links: DecisionLinks | None = None,
        decisions: bool = True,
        context: ssl.SSLContext | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        if tls not in ("starttls", "tls", "none"):
            raise ValueError(f"EmailNotifier: tls={tls!r} is none of 'starttls', 'tls' and 'none'")
        if login is not None and tls == "none" and host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("EmailNotifier: login= with tls='none' would send the password unencrypted")
        self.tells_decisions = decisions
        self._host, self._tls, self._login = host, tls, login
        self._port = port or (465 if tls == "tls" else 587)
        self._sender = _address(sender, "sender")
        self._to = to if callable(to) else _addresses(to)
        self._links = links
        self._context = context
        self._timeout = timeout.total_seconds()
        self._sent: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def notify(self, notice: ApprovalNotice) -> Told:
        """See `Notifier`."""
        to = self._recipients(notice)
        root = notice.reference or notice.id
        waiting = [each for each in to if (notice.id, each) not in self._sent]
        mails = [(each, self._mail(notice, each, root)) for each in waiting]
        # One thread per notice: an activity that was cancelled lets it end what it has begun.
        refused = await asyncio.to_thread(self._send, notice.id, mails) if mails else []
        told = [each for each in to if each not in refused]
        if not told:
            raise ApplicationError(
                f"{self._host} refuses all recipients", type=EMAIL_REFUSED, non_retryable=True
            )
        return Told(told, root)

    def _recipients(self, notice: ApprovalNotice) -> list[str]:
        if not callable(self._to):
            return self._to
        try:
            return _addresses(self._to(notice))
        except ValueError as error:
            raise ApplicationError(str(error), type=EMAIL_REFUSED, non_retryable=True) from error

    def _mail(self, notice: ApprovalNotice, to: str, root: str) -> EmailMessage:
        """Return the mail for one person."""
        text = text_of(notice, longest=_LONGEST_ARGUMENTS)
        subject = line(f"{text.title} ({line(notice.workflow_id, 60)})", _LONGEST_SUBJECT)
        # A folded subject of ASCII text would begin with a blank (Python 3.11). It needs no folding.
        mail = EmailMessage(policy=SMTP.clone(max_line_length=_LONGEST_LINE) if subject.isascii() else SMTP)
        mail["From"] = self._sender
        mail["To"] = Address(addr_spec=to)
        mail["Subject"] = subject
        mail["Date"] = formatdate()
        mail["Message-ID"] = self._message_id(notice.id, to)
        if root != notice.id:
            mail["In-Reply-To"] = mail["References"] = self._message_id(root, to)
        mail["Auto-Submitted"] = "auto-generated"
        links = {each.pending.id: self._links_of(notice, each, to) for each in text.questions}
        mail.set_content(_plain(notice, text, links))
        mail.add_alternative(_html(notice, text, links), subtype="html")
        return mail

    def _links_of(self, notice: ApprovalNotice, question: QuestionText, to: str) -> list[tuple[str, str]]:
        if self._links is None or question.outcome:
            return []
        pending = question.pending
        found = [
            (verdict.capitalize(), self._links.url(notice, pending, to, verdict))
            for verdict in ("approve", "reject")
            if verdict in pending.allowed_decisions
        ]
        return [*found, ("Look at it", self._links.url(notice, pending, to))]

    def _message_id(self, notice_id: str, to: str) -> str:
        name = hashlib.sha256(f"{notice_id}\n{to}".encode()).hexdigest()[:40]
        return f"<{name}@{self._sender.domain}>"

    def _send(self, notice_id: str, mails: list[tuple[str, EmailMessage]]) -> list[str]:
        """Send mails, in a thread. Return the addresses that the server refuses for good.

        Raises:
            ApplicationError: If another attempt may help, or the server refuses the sender or the login.
        """
        refused: list[str] = []
        try:
            with self._connected() as smtp:
                for to, mail in mails:
                    try:
                        smtp.send_message(mail, from_addr=self._sender.addr_spec, to_addrs=[to])
                    except smtplib.SMTPRecipientsRefused as error:
                        code, why = error.recipients[to]
                        if code < _PERMANENT:
                            raise smtplib.SMTPResponseException(code, why) from error
                        refused.append(to)
                        continue
                    self._sent[(notice_id, to)] = None
                    while len(self._sent) > _KEPT:
                        self._sent.popitem(last=False)
        except smtplib.SMTPResponseException as error:
            raise self._failed(f"answers {error.smtp_code}", final=error.smtp_code >= _PERMANENT) from error
        except smtplib.SMTPNotSupportedError as error:
            raise self._failed(f"cannot do what is needed: {error}", final=True) from error
        except ssl.SSLCertVerificationError as error:
            raise self._failed(f"has a certificate that is not trusted: {error.verify_message}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise self._failed(f"does not answer: {type(error).__name__}") from error
        return refused

    def _connected(self) -> smtplib.SMTP:
        context = self._context or ssl.create_default_context()
        if self._tls == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=self._timeout, context=context
            )
        else:
            smtp = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
        try:
            if self._tls == "starttls":
                smtp.starttls(context=context)
            if self._login is not None:
                smtp.login(*self._login)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _failed(self, what: str, *, final: bool = False) -> ApplicationError:
        kind = EMAIL_REFUSED if final else EMAIL_UNAVAILABLE
        return ApplicationError(f"The SMTP server {self._host} {what}", type=kind, non_retryable=final)


def _plain(notice: ApprovalNotice, text: NoticeText, links: dict[str, list[tuple[str, str]]]) -> str:
    lines = [text.title, "", *(f"{name}: {value}" for name, value in text.facts)]
    for each in text.questions:
        lines += ["", each.title, *(f"{name}: {value}" for name, value in each.facts)]
        if each.content:
            lines += ["", *(f"    {one}" for one in each.content.split("\n"))]
        if each.outcome:
            lines += ["", each.outcome]
            continue
        for name, url in links[each.pending.id]:
            lines += ["", f"{name}: {url}"]
        lines += ["", _how(notice, each, bool(links[each.pending.id]))]
    return "\n".join(lines) + "\n"


def _html(notice: ApprovalNotice, text: NoticeText, links: dict[str, list[tuple[str, str]]]) -> str:
    parts = [f"<h2>{escape(text.title)}</h2>", _table(text.facts)]
    for each in text.questions:
        parts += [f"<h3>{escape(each.title)}</h3>", _table(each.facts)]
        if each.content:
            parts.append(f'<pre style="white-space:pre-wrap">{escape(each.content)}</pre>')
        if each.outcome:
            parts.append(f"<p><b>{escape(each.outcome)}</b></p>")
            continue
        buttons = [f'<a href="{escape(url)}">{escape(name)}</a>' for name, url in links[each.pending.id]]
        if buttons:
            parts.append(f"<p>{' &nbsp; '.join(buttons)}</p>")
        parts.append(f"<p>{escape(_how(notice, each, bool(buttons)))}</p>")
    return f'<!doctype html><html><body style="font-family:sans-serif">{"".join(parts)}</body></html>\n'


def _table(facts: list[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in facts)
    return f'<table cellpadding="4">{rows}</table>' if rows else ""


def _how(notice: ApprovalNotice, question: QuestionText, has_links: bool) -> str:
    if has_links:
        return "The links are for you alone. Opening one decides nothing: the page asks you to confirm."
    command = command_of(notice, question.pending)
    return f"Decide with: {command}" if command else "Decide with: strands-temporal approvals list"


def _addresses(given: Any) -> list[str]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ValueError(  # noqa: TRY004  # one kind of error for whatever an address is not
            f"EmailNotifier: to={given!r} is no list of addresses. Write ['ana@example.com']"
        )
    found = [_address(each, "to").addr_spec for each in cast("Sequence[Any]", given)]
    if not found:
        raise ValueError("EmailNotifier: to= has no address")
    if len(found) > _MOST:
        raise ValueError(f"EmailNotifier: to= has {len(found)} addresses, and may have {_MOST}")
    return list(dict.fromkeys(found))


def _address(given: Any, name: str) -> Address:
    """Return the address in a text, with its name if it has one. A line break in it is refused."""
    text = given if isinstance(given, str) else ""
    display, _, rest = text.rpartition("<")
    spec = rest[:-1] if display or text.startswith("<") else text
    try:
        if line(text) != text or (not text.isascii() and not display.strip()):
            raise ValueError("it has characters that an address cannot have")
        if (display or text.startswith("<")) and not rest.endswith(">"):
            raise ValueError("it has no closing >")
        address = Address(display.strip().strip('"'), addr_spec=spec.strip())
        if not address.domain or not address.username or not spec.isascii():
            raise ValueError("it is not name@domain")
    except (ValueError, IndexError, MessageError) as error:
        raise ValueError(f"EmailNotifier: {name}= has {given!r}, which is no address: {error}") from None
    return address
