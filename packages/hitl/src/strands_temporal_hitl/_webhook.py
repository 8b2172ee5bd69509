"""Notifiers tell people that an agent waits for them. They run in an activity, on the worker."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from temporalio.exceptions import ApplicationError

from ._notices import ApprovalNotice, Told

WEBHOOK_REFUSED = "WebhookRefused"
WEBHOOK_UNAVAILABLE = "WebhookUnavailable"

_RETRYABLE_STATUS = frozenset({408, 425, 429})
_OK, _REDIRECT, _SERVER_ERRORS = 200, 300, 500


@runtime_checkable
class Notifier(Protocol):
    """Tells people that an agent waits. Runs in an activity, on the worker.

    It is told when the agent asks, of reminders, and when other people may decide: `ApprovalNotice.kind`. If
    its class has the attribute `tells_decisions = True`, it is told of the decisions too, wherever they were
    made: by people, at a deadline, by the policy, or because the question was withdrawn.
    """

    async def notify(self, notice: ApprovalNotice) -> Told | None:
        """Deliver the notice, and return whom it told.

        If this raises, it is called again with the same notice, as long as the agent waits; with a decision,
        for an hour. A non-retryable `ApplicationError` ends the retries. If the question is decided while it
        runs, it has ten seconds to end.
        """
        ...


NotifierFactory = Callable[[], Notifier]
"""Makes a notifier on the worker, when it is first used."""


class WebhookNotifier:
    """Posts a JSON object to a URL when an agent pauses.

    The body is `{"type": "approval.pending", ...}` with the fields of `ApprovalNotice`, including the
    arguments of the tool calls. Later notices have the types "approval.reminder", "approval.escalated" and
    "approval.delegated", and with `decisions` also "approval.decided".

    The headers are those of Standard Webhooks
    (https://www.standardwebhooks.com): `webhook-id` (the same at each retry), `webhook-timestamp` and, with a
    secret, `webhook-signature`. The signature is `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`.

    Server errors, throttling, timeouts and lost connections are retried. Any other answer is final, including
    a redirect.

    Args:
        url: Where to post, http or https.
        secret: Key of the signature: a string or, as in Standard Webhooks, `whsec_` and base64.
        headers: Further headers, for example an authorization.
        timeout: Timeout of one attempt. More than 30 seconds has no effect.
        decisions: Whether it is told of decisions too.

    Raises:
        ValueError: If `url` is not an http(s) address, or `secret` is empty or not base64 after `whsec_`.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=10),
        decisions: bool = False,
    ) -> None:
        self.tells_decisions = decisions
        parts = urlsplit(url)
        # Reading `port` raises ValueError if it is not a port number.
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError(f"WebhookNotifier: {url!r} is not an http or https address")
        self._url = url
        self._where = f"{parts.scheme}://{parts.hostname}"  # the rest of it may be a secret
        self._key = None if secret is None else _key(secret)
        self._headers = dict(headers or {})
        self._timeout = timeout.total_seconds()

    async def notify(self, notice: ApprovalNotice) -> Told:
        """See `Notifier`."""
        import httpx  # not at the top: workflow code imports this package, without HTTP

        kind = "pending" if notice.kind == "asked" else notice.kind  # the first one had its type before
        body = json.dumps({"type": f"approval.{kind}", **asdict(notice)}).encode()
        headers = {**self._headers, **self._signed(notice.id, body), "content-type": "application/json"}
        try:
            async with httpx.AsyncClient(timeout=self._timeout) as http:
                response = await http.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise ApplicationError(
                f"{self._where} does not answer: {error or type(error).__name__}", type=WEBHOOK_UNAVAILABLE
            ) from error
        if not _OK <= response.status_code < _REDIRECT:
            retryable = response.status_code >= _SERVER_ERRORS or response.status_code in _RETRYABLE_STATUS
            raise ApplicationError(
                f"{self._where} answers {response.status_code}",
                type=WEBHOOK_UNAVAILABLE if retryable else WEBHOOK_REFUSED,
                non_retryable=not retryable,
                next_retry_delay=_retry_after(response.headers.get("retry-after")),
            )
        return Told([self._where])

    def _signed(self, id_: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        headers = {"webhook-id": id_, "webhook-timestamp": timestamp}
        if self._key is not None:
            message = f"{id_}.{timestamp}.".encode() + body
            signature = base64.b64encode(hmac.digest(self._key, message, hashlib.sha256)).decode()
            headers["webhook-signature"] = f"v1,{signature}"
        return headers


def _key(secret: str) -> bytes:
    key = secret.encode()
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValueError("WebhookNotifier: the secret is not base64 after whsec_") from None
    if not key:
        raise ValueError("WebhookNotifier: the secret is empty. Leave it out for unsigned notices")
    return key


def _retry_after(value: str | None) -> timedelta | None:
    return timedelta(seconds=min(int(value), 600)) if value and value.isdecimal() else None
