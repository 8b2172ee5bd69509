"""`slack_actions`: an ASGI app that takes the clicks on a `SlackNotifier`'s buttons."""

import asyncio
import hashlib
import hmac
import inspect
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from ._client import ApprovalsClient
from ._decision import Decision, Verdict
from ._errors import ApprovalsError
from ._notice_text import line
from ._people import Person
from ._slack import APPROVE_ACTION, REJECT_ACTION, SLACK_API, SlackApi

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

SlackPeople = Callable[[Mapping[str, Any]], Awaitable[Person | None] | Person | None]
"""Returns the person who is a Slack user: `{"id", "username", "team_id", ...}`; None for a stranger."""

_FRESH = 300  # seconds that a signature counts, as Slack says
_LARGEST = 1_000_000  # bytes of a request
_MODAL = "strands_reject_modal"
_VERDICTS: Mapping[str, Verdict] = {APPROVE_ACTION: "approve", REJECT_ACTION: "reject"}

_log = logging.getLogger(__name__)


def slack_actions(
    client: Client,
    *,
    signing_secret: str,
    people: SlackPeople,
    key: str | bytes,
    token: str | None = None,
    api: str = SLACK_API,
    answers: str = "https://hooks.slack.com/",
    timeout: timedelta = timedelta(seconds=10),
) -> ASGIApp:
    """Return an ASGI app that decides when people click a button of a `SlackNotifier`.

    Give its address to the Slack app, as the request URL of interactivity. A request counts only with Slack's
    signature of the last five minutes, which is checked before anything is read. The person who clicked is
    the one that `people` returns for the Slack user, and the workers' `SignedVerifier(key)` accepts that. The
    decision is bound to the call that the message shows, and counts once. Slack gets its answer at once, and
    the person reads what became of the decision, in a message that nobody else sees.

    Args:
        client: Client of the workflows' namespace, with their data converter. The buttons name workflows of
            this namespace.
        signing_secret: The Slack app's signing secret.
        people: Returns the person who is a Slack user, or None. It may be asynchronous.
        key: Key with which the app vouches for people: the workers' `SignedVerifier` has it too.
        token: The bot's token. With it, a rejection asks for the reason; without, it has none.
        api: Address of Slack's Web API, for a compatible server.
        answers: How the addresses begin to which answers go. Slack names them in its signed requests.
        timeout: How long a workflow may take to answer.

    Raises:
        ValueError: If `signing_secret` or `key` is empty, or too short.
    """
    if not signing_secret.strip():
        raise ValueError("slack_actions: signing_secret= is empty")
    from .identity import sign_person  # heavy: needs no import where nobody uses Slack

    sign_person(Person("slack"), key)  # refuses a key that is too short

    def credential(person: Person, workflow_id: str, approval: str) -> Any:
        about = {"workflow_id": workflow_id, "id": approval}
        return sign_person(person, key, channel="slack", about=about)

    slack = SlackApi(token, api, timeout) if token else None
    return _SlackActions(client, signing_secret.encode(), people, credential, slack, answers, timeout)


class _SlackActions:
    """The app."""

    def __init__(
        self,
        client: Client,
        secret: bytes,
        people: SlackPeople,
        credential: Callable[[Person, str, str], Any],
        slack: SlackApi | None,
        answers: str,
        timeout: timedelta,
    ) -> None:
        self._approvals = ApprovalsClient(client, timeout=timeout)
        self._secret = secret
        self._people = people
        self._credential = credential
        self._slack = slack
        self._answers = answers
        self._timeout = timeout.total_seconds()
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        if scope["method"] != "POST":
            await _answer(send, 405)
            return
        body = await _body(receive)
        if body is None:
            await _answer(send, 413)
            return
        headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
        if not self._is_signed(headers, body):
            await _answer(send, 401)
            return
        payload = _payload(body)
        if payload is None:
            await _answer(send, 400)
            return
        # Slack waits for three seconds, and a workflow may take longer.
        self._begin(self._take(payload))
        await _answer(send, 200)

    def _is_signed(self, headers: Mapping[str, bytes], body: bytes) -> bool:
        """Tell whether Slack signed the request, within the last five minutes."""
        stamp = headers.get("x-slack-request-timestamp", b"")
        given = headers.get("x-slack-signature", b"")
        if not stamp.isdigit() or len(stamp) > 12 or abs(time.time() - int(stamp)) > _FRESH:
            return False
        expected = hmac.new(self._secret, b"v0:" + stamp + b":" + body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(b"v0=" + expected.encode(), given)

    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await asyncio.gather(*self._running, return_exceptions=True)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _take(self, payload: Mapping[str, Any]) -> None:
        """Do what a person clicked."""
        try:
            if payload.get("type") == "view_submission":
                await self._take_reason(payload)
                return
            for action in cast("list[Mapping[str, Any]]", payload.get("actions") or []):
                verdict = _VERDICTS.get(action.get("action_id", ""))
                if verdict is None:
                    continue
                if verdict == "reject" and self._slack is not None:
                    await self._ask_reason(payload, action)
                else:
                    await self._decide(payload, str(action.get("value")), verdict, None)
        except Exception:  # noqa: BLE001  # whatever a request holds must not end the app's task silently
            _log.exception("slack_actions: a click had no effect")

    async def _ask_reason(self, payload: Mapping[str, Any], action: Mapping[str, Any]) -> None:
        """Show the dialogue in which a person writes why the call is rejected."""
        kept = json.dumps([action.get("value"), payload.get("response_url")])
        field = {"type": "plain_text_input", "action_id": "reason", "multiline": True, "max_length": 1000}
        block = {
            "type": "input",
            "block_id": "reason",
            "optional": True,
            "label": {"type": "plain_text", "text": "Why? The agent reads it."},
            "element": field,
        }
        view = {
            "type": "modal",
            "callback_id": _MODAL,
            "private_metadata": kept,
            "title": {"type": "plain_text", "text": "Reject"},
            "submit": {"type": "plain_text", "text": "Reject"},
            "close": {"type": "plain_text", "text": "Cancel"},
            "blocks": [block],
        }
        if self._slack is None:
            return
        try:
            await self._slack.call("views.open", {"trigger_id": payload.get("trigger_id"), "view": view})
        except ApplicationError as error:  # the trigger lasts three seconds
            await self._tell(payload.get("response_url"), f"Nothing is decided: {error.message}")

    async def _take_reason(self, payload: Mapping[str, Any]) -> None:
        view = cast("Mapping[str, Any]", payload.get("view") or {})
        if view.get("callback_id") != _MODAL:
            return
        value, response_url = json.loads(view["private_metadata"])
        reason = view["state"]["values"]["reason"]["reason"].get("value") or None
        await self._decide({**payload, "response_url": response_url}, value, "reject", reason)

    async def _decide(
        self, payload: Mapping[str, Any], value: str, verdict: Verdict, reason: str | None
    ) -> None:
        workflow_id, approval, digest = json.loads(value)
        user = cast("Mapping[str, Any]", payload.get("user") or {})
        found = self._people(user)
        person = await found if inspect.isawaitable(found) else found
        if person is None:
            await self._tell(payload.get("response_url"), "You are not known here, so nothing is decided.")
            return
        decision = Decision(approval, verdict, person.name, reason, digest=digest)
        try:
            record = await self._approvals.decide(
                workflow_id, decision, credential=self._credential(person, workflow_id, approval)
            )
            text = f"Your decision is taken: {record.outcome}."
        except ApprovalsError as error:
            text = f"Your decision is not taken: {line(error)}"
        await self._tell(payload.get("response_url"), text)

    async def _tell(self, response_url: Any, text: str) -> None:
        """Tell the person who clicked what became of it, and nobody else."""
        if not isinstance(response_url, str) or not _is_below(response_url, self._answers):
            return
        import httpx

        plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        message = {"text": plain, "response_type": "ephemeral", "replace_original": False, "parse": "none"}
        try:
            async with httpx.AsyncClient(timeout=self._timeout) as http:
                await http.post(response_url, json=message)
        except httpx.HTTPError as error:
            _log.warning("slack_actions: no answer to the person: %s", type(error).__name__)


def _payload(body: bytes) -> Mapping[str, Any] | None:
    try:
        payload = json.loads(parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)["payload"][0])
    except (ValueError, KeyError, RecursionError):
        return None
    return cast("Mapping[str, Any]", payload) if isinstance(payload, dict) else None


def _is_below(url: str, base: str) -> bool:
    parts, wanted = urlsplit(url), urlsplit(base)
    same = (parts.scheme, parts.netloc) == (wanted.scheme, wanted.netloc)
    return same and parts.path.startswith(wanted.path)


async def _body(receive: Receive) -> bytes | None:
    """Return the request's body; None if it is too large."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _LARGEST:
            return None
        if not message.get("more_body") or message["type"] == "http.disconnect":
            return body


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
