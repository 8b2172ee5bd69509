"""Shared by the tests of channels: notices with hostile words, servers that keep what they get."""

import datetime as dt
import json
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from integration_tests.http_server import QuietHandler, serving

from strands_temporal_hitl import ApprovalNotice, ApprovalRecord, PendingApproval

HOSTILE = {
    "line breaks": "a\r\nBcc: eve@example.com\r\n\r\nbody",
    "a form feed and an escape": "a\x0c\x1b[31mred\x1b[0m\x85\u2028b",
    "bidi": "abc\u202egnp.exe\u2066x\u200b",
    "markup": "<script>x</script><b>&amp;</b>\"'",
    "mentions": "<!channel> <@U1> <https://evil.example|ok> @here &lt;!here&gt;",
    "Markdown": "[ok](https://evil.example) **b** `c` {{DATE(2026-01-01T00:00:00Z)}}",
    "a lone surrogate": "a\ud800b",
}
"""Words that a model, a tool or a person may have written."""


def hostile(words: str, *, kind: str = "asked", **more: Any) -> ApprovalNotice:
    """Return a notice that has these words in each place where they may be."""
    named = words.encode("utf-8", "replace").decode()  # Temporal's ids are valid UTF-8
    pending = PendingApproval(
        id=f"id {named}",
        name=words,
        question=words,
        tool=words,
        arguments={"text": words, words: 1},
        digest="sha256:1",
        deadline="2026-12-01T10:00:00+00:00",
        agent=words,
        deciders={"groups": [words], "quorum": 2},
    )
    record = ApprovalRecord(pending.id, words, "rejected", by=words, reason=words, tool=words)
    decided = {"pending": [], "decided": [pending], "records": [record]}
    parts: dict[str, Any] = decided if kind == "decided" else {"pending": [pending]}
    return ApprovalNotice("n-1", "default", f"wf {named}", "run", words, kind=kind, **{**parts, **more})


def notice(count: int = 1, **more: Any) -> ApprovalNotice:
    pending = [
        PendingApproval(
            f"q{i}", "gate", "sure?", "refund", {"amount": i}, f"sha256:{i}",
            allowed_decisions=["approve", "reject", "edit"],
        )
        for i in range(count)
    ]  # fmt: skip
    given: dict[str, Any] = {"id": "n-1", "workflow_id": "order-7", "pending": pending, **more}
    return ApprovalNotice(namespace="default", run_id="run", workflow_type="Desk", **given)


# --- HTTP


@dataclass
class Recorder:
    """An HTTP server that keeps what it gets, and answers with the given values in turn."""

    answers: list[tuple[int, Any]]
    requests: list[tuple[str, dict[str, str], Any]] = field(
        default_factory=list[tuple[str, dict[str, str], Any]]
    )
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    url: str = ""

    @property
    def bodies(self) -> list[Any]:
        return [body for _, _, body in self.requests]


@contextmanager
def recording(*answers: tuple[int, Any]) -> Generator[Recorder]:
    recorder = Recorder(list(answers) or [(200, {"ok": True, "channel": "C1", "ts": "17.1"})])

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.body())
            headers = {name.lower(): value for name, value in self.headers.items()}
            recorder.requests.append((self.path, headers, body))
            status, answer = recorder.answers[min(len(recorder.requests), len(recorder.answers)) - 1]
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            recorder.came.release()

    with serving(Handler) as url:
        recorder.url = url
        yield recorder


# --- SMTP


class Inbox:
    """Keeps the mails of an SMTP server."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.raw: list[bytes] = []
        self.refuses: dict[str, list[str]] = {}

    async def handle_RCPT(  # noqa: N802  # its name in aiosmtpd
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        answers = self.refuses.get(address)
        if answers:
            return answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # the same
        self.raw.append(envelope.content)
        mail = message_from_bytes(envelope.content, policy=default)
        self.mails.append((list(envelope.rcpt_tos), mail))
        return "250 OK"


def _only_ana(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ana", b"secret")
    return AuthResult(success=good, handled=False)


class FreePort(Controller):
    """The server on a port that the system chooses."""

    def _trigger_server(self) -> None:  # it connects to the port that it was given, which is 0
        self.port = cast("Any", self.server).sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def smtp_server(
    inbox: Inbox, *, context: ssl.SSLContext | None = None, login: bool = False
) -> Generator[int]:
    """Run an SMTP server that others wrote, and yield its port."""
    options: dict[str, Any] = {"tls_context": context, "require_starttls": context is not None}
    if login:
        options |= {"authenticator": _only_ana, "auth_required": True}
    controller = FreePort(inbox, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS settings of a server with a new certificate, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=file)
