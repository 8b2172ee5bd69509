"""`SlackNotifier`: tells people of questions in Slack. Runs in an activity, on the worker."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from temporalio.exceptions import ApplicationError

from ._links import DecisionLinks
from ._notice_text import NoticeText, QuestionText, command_of, cut, text_of
from ._notices import ApprovalNotice, Told
from ._types import PendingApproval

SLACK_REFUSED = "SlackRefused"
SLACK_UNAVAILABLE = "SlackUnavailable"

SLACK_API = "https://slack.com/api"

APPROVE_ACTION = "strands_approve"
REJECT_ACTION = "strands_reject"

MOST_BLOCKS = 50
LONGEST_TEXT = 3_000  # characters of a section's text
LONGEST_VALUE = 2_000  # characters of a button's value
LONGEST_LABEL = 75  # characters of a button's text
_LONGEST_HEADER = 150
_LONGEST_ARGUMENTS = 2_500
_BLOCKS_OF_A_QUESTION = 4
_MOST_KEPT, _LONGEST_KEPT = 10, 120  # earlier decisions in the message, which are in the reference

_LATER = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"})
"""Slack's errors after which another attempt may help."""

_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
"""Slack's errors for a message that cannot be changed any more."""

_SERVER_ERRORS = 500
_THROTTLED = 429


class SlackNotifier:
    """Posts a message when an agent asks, with a button per verdict. Later notices change and answer it.

    The message shows the calls that wait. The buttons need `slack_actions`, an app that takes Slack's
    callbacks; without it set `buttons=False`. At a reminder and an escalation it answers its message in the
    channel. When questions are decided, wherever that was, their buttons give way to the decision.

    What models, tools and people wrote is shown as text: it mentions nobody, and is no link and no markup.

    Args:
        token: The bot's token, with the scope `chat:write`.
        channel: The channel's id or name.
        links: Adds a link to the inbox, where people sign in. It is none for one person: a channel has many.
        buttons: Whether there are buttons.
        api: Address of Slack's Web API, for a compatible server.
        timeout: Timeout of one call. More than 30 seconds has no effect.
        decisions: Whether the message changes at the decision.

    Raises:
        ValueError: If `token` or `channel` is empty, or `api` is no http(s) address.
    """

    def __init__(
        self,
        *,
        token: str,
        channel: str,
        links: DecisionLinks | None = None,
        buttons: bool = True,
        api: str = SLACK_API,
        timeout: timedelta = timedelta(seconds=10),
        decisions: bool = True,
    ) -> None:
        if not token.strip() or not channel.strip():
            raise ValueError("SlackNotifier: token= and channel= may not be empty")
        self.tells_decisions = decisions
        self._api = SlackApi(token, api, timeout)
        self._channel = channel
        self._links = links
        self._buttons = buttons

    async def notify(self, notice: ApprovalNotice) -> Told:
        """See `Notifier`."""
        channel, ts, before = _read(notice.reference)
        message = self.message(notice, before)
        if ts is None:  # the first notice, or the first that reaches Slack
            answer = await self._api.call("chat.postMessage", {"channel": self._channel, **message})
            return Told(
                [self._channel], json.dumps([answer.get("channel") or self._channel, answer.get("ts"), []])
            )
        if notice.kind == "decided":
            await self._api.call("chat.update", {"channel": channel, "ts": ts, **message}, may_fail=_GONE)
            decided = [
                f"{each.title}: {each.outcome}" for each in self._text(notice).questions if each.outcome
            ]
            kept = [cut(each, _LONGEST_KEPT) for each in [*before, *decided]][-_MOST_KEPT:]
            return Told([self._channel], json.dumps([channel, ts, kept]))
        answered = {"channel": channel, "thread_ts": ts, "reply_broadcast": True, **message}
        await self._api.call("chat.postMessage", answered)
        return Told([self._channel])

    def message(self, notice: ApprovalNotice, before: Sequence[str] = ()) -> dict[str, Any]:
        """Return the message for a notice: its blocks, and the text for notifications.

        Args:
            notice: The notice.
            before: What was decided before, in words.
        """
        text = self._text(notice)
        blocks: list[dict[str, Any]] = [
            {"type": "header", "text": _plain(text.title, _LONGEST_HEADER)},
            _facts([*text.facts, *(("", each) for each in before if notice.kind == "decided")]),
        ]
        room = (MOST_BLOCKS - len(blocks) - 1) // _BLOCKS_OF_A_QUESTION
        for number, each in enumerate(text.questions[:room]):
            blocks += self._blocks(notice, each, number)
        if (more := len(text.questions) - room) > 0:
            blocks.append(_facts([("And", f"{more} more. See strands-temporal approvals list")]))
        return {
            "text": _escaped(text.title),
            "blocks": blocks,
            "mrkdwn": False,
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }

    def _text(self, notice: ApprovalNotice) -> NoticeText:
        return text_of(notice, longest=_LONGEST_ARGUMENTS)

    def _blocks(self, notice: ApprovalNotice, question: QuestionText, number: int) -> list[dict[str, Any]]:
        facts = [("", question.title), *question.facts]
        if question.outcome:
            facts.append(("", question.outcome))
        blocks = [_facts(facts)]
        if question.content:
            text = [{"type": "text", "text": question.content}]
            blocks.append(
                {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": text}]}
            )
        if question.outcome:
            return blocks
        if elements := self._elements(notice, question.pending):
            blocks.append({"type": "actions", "block_id": f"question-{number}", "elements": elements})
        elif command := command_of(notice, question.pending):
            blocks.append(_facts([("Decide with", command)]))
        return blocks

    def _elements(self, notice: ApprovalNotice, pending: PendingApproval) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        value = button_value(notice.workflow_id, pending)
        if self._buttons and len(value) <= LONGEST_VALUE:
            for verdict, action, style in (
                ("approve", APPROVE_ACTION, "primary"),
                ("reject", REJECT_ACTION, "danger"),
            ):
                if verdict in pending.allowed_decisions:
                    label = _plain(verdict.capitalize(), LONGEST_LABEL)
                    found.append(
                        {"type": "button", "action_id": action, "text": label, "value": value, "style": style}
                    )
        if self._links is not None and len(url := self._links.inbox_url(notice, pending)) <= LONGEST_TEXT:
            found.append(
                {"type": "button", "action_id": "strands_inbox", "text": _plain("Inbox"), "url": url}
            )
        return found


class SlackApi:
    """Calls Slack's Web API.

    Args:
        token: The bot's token.
        api: Address of the API.
        timeout: Timeout of one call.

    Raises:
        ValueError: If `api` is no http(s) address.
    """

    def __init__(self, token: str, api: str, timeout: timedelta) -> None:
        parts = urlsplit(api)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"SlackNotifier: api={api!r} is not an http or https address")
        self._token, self._base, self._timeout = token, api.rstrip("/"), timeout.total_seconds()

    async def call(
        self, method: str, body: dict[str, Any], *, may_fail: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """Call a method and return its answer.

        Raises:
            ApplicationError: If Slack refuses, or does not answer. Retryable if another attempt may help.
        """
        import httpx  # not at the top: workflow code imports this package, without HTTP

        headers = {"authorization": f"Bearer {self._token}"}
        try:
            async with httpx.AsyncClient(timeout=self._timeout) as http:
                response = await http.post(f"{self._base}/{method}", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ApplicationError(
                f"Slack does not answer: {error or type(error).__name__}", type=SLACK_UNAVAILABLE
            ) from error
        answer = _object(response.content)
        if answer.get("ok") is True:
            return answer
        why = str(answer.get("error", ""))
        if why in may_fail:
            return {}
        status = response.status_code
        again = status >= _SERVER_ERRORS or status == _THROTTLED or why in _LATER
        wait = response.headers.get("retry-after", "")
        raise ApplicationError(
            f"Slack answers {method} with {why or status}",
            type=SLACK_UNAVAILABLE if again else SLACK_REFUSED,
            non_retryable=not again,
            next_retry_delay=timedelta(seconds=min(int(wait), 600)) if wait.isdecimal() else None,
        )


def _object(content: bytes) -> dict[str, Any]:
    """Return the JSON object in an answer; an empty one if there is none."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}


def button_value(workflow_id: str, pending: PendingApproval) -> str:
    """Return what a button tells `slack_actions`: the question, and the digest of the call that it shows."""
    return json.dumps([workflow_id, pending.id, pending.digest], separators=(",", ":"))


def _read(reference: str | None) -> tuple[str, str | None, list[str]]:
    """Return the channel and the time stamp of the first message, and what was decided since."""
    if reference is None:
        return "", None, []
    try:
        channel, ts, before = json.loads(reference)
    except (ValueError, TypeError, RecursionError):  # another notifier returned it: say it all again
        return "", None, []
    is_ours = isinstance(channel, str) and isinstance(ts, (str, type(None))) and isinstance(before, list)
    return (channel, ts, cast("list[str]", before)) if is_ours else ("", None, [])


def _facts(facts: list[tuple[str, str]]) -> dict[str, Any]:
    """Return a block of lines. Rich text is shown as it is: nothing in it is parsed."""
    elements: list[dict[str, Any]] = []
    for i, (name, value) in enumerate(facts):
        if i:
            elements.append({"type": "text", "text": "\n"})
        if name:
            elements.append({"type": "text", "text": f"{name}: ", "style": {"bold": True}})
        elements.append({"type": "text", "text": cut(value, LONGEST_TEXT)})
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}


def _plain(text: str, longest: int = LONGEST_LABEL) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(_unmarked(text), longest), "emoji": False}


def _unmarked(text: str) -> str:
    """Return a text for a plain text object, in which the signs of Slack's mentions are other ones."""
    return text.translate({ord("<"): "\u2039", ord(">"): "\u203a"})


def _escaped(text: str) -> str:
    """Return a text for notifications, with the escapes that Slack asks for."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
