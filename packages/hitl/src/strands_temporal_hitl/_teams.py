"""`TeamsNotifier`: tells people of questions in Microsoft Teams. Runs in an activity, on the worker."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from temporalio.exceptions import ApplicationError

from ._links import DecisionLinks
from ._notice_text import QuestionText, command_of, text_of
from ._notices import ApprovalNotice, Told

TEAMS_REFUSED = "TeamsRefused"
TEAMS_UNAVAILABLE = "TeamsUnavailable"

LARGEST_MESSAGE = 28_000
"""Bytes of a message, as Teams says for webhooks."""

_LENGTHS = (4_000, 1_000, 200, 0)  # characters of a call's arguments, until the message is small enough
_MOST_QUESTIONS = 20
_OK, _REDIRECT, _THROTTLED, _SERVER_ERRORS = 200, 300, 429, 500


class TeamsNotifier:
    """Posts an Adaptive Card to a channel for each notice: a question, a reminder, an escalation, a decision.

    The address is that of a workflow of Teams or Power Automate, "When a Teams webhook request is received".
    A card cannot be changed later over it: each notice is a card of its own.

    What models, tools and people wrote is shown as text, in runs of text that know no markup.

    Args:
        url: The webhook's address, a secret.
        links: Adds a link to the inbox, where people sign in. It is none for one person: a channel has many.
        decisions: Whether there is a card for decisions too.
        timeout: Timeout of one attempt. More than 30 seconds has no effect.

    Raises:
        ValueError: If `url` is no http(s) address.
    """

    def __init__(
        self,
        url: str,
        *,
        links: DecisionLinks | None = None,
        decisions: bool = True,
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("TeamsNotifier: url= is not an http or https address")
        self.tells_decisions = decisions
        self._url, self._where = url, f"{parts.scheme}://{parts.hostname}"
        self._links = links
        self._timeout = timeout.total_seconds()

    async def notify(self, notice: ApprovalNotice) -> Told:
        """See `Notifier`."""
        import httpx  # not at the top: workflow code imports this package, without HTTP

        try:
            async with httpx.AsyncClient(timeout=self._timeout) as http:
                response = await http.post(self._url, json=self.message(notice))
        except httpx.HTTPError as error:
            raise ApplicationError(
                f"{self._where} does not answer: {type(error).__name__}", type=TEAMS_UNAVAILABLE
            ) from error
        status = response.status_code
        if not _OK <= status < _REDIRECT:
            again = status >= _SERVER_ERRORS or status == _THROTTLED
            raise ApplicationError(
                f"{self._where} answers {status}",
                type=TEAMS_UNAVAILABLE if again else TEAMS_REFUSED,
                non_retryable=not again,
            )
        return Told([self._where])

    def message(self, notice: ApprovalNotice) -> dict[str, Any]:
        """Return the message for a notice, with its card."""
        message: dict[str, Any] = {}
        for longest in _LENGTHS:
            message = self._message(notice, longest)
            if len(json.dumps(message)) <= LARGEST_MESSAGE:
                break
        return message

    def _message(self, notice: ApprovalNotice, longest: int) -> dict[str, Any]:
        text = text_of(notice, longest=longest)
        most = _MOST_QUESTIONS if longest else 5
        body = [_runs([("", text.title)], size="Large"), _runs(text.facts)]
        body += [self._question(notice, each) for each in text.questions[:most]]
        if (more := len(text.questions) - most) > 0:
            body.append(_runs([("And", f"{more} more. See strands-temporal approvals list")]))
        card = {
            "type": "AdaptiveCard",
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "version": "1.4",
            "body": body,
        }
        content = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        return {"type": "message", "attachments": [content]}

    def _question(self, notice: ApprovalNotice, question: QuestionText) -> dict[str, Any]:
        items = [_runs([("", question.title), *question.facts])]
        if question.content:
            items.append(_runs([("", question.content)], font="Monospace"))
        if question.outcome:
            items.append(_runs([("", question.outcome)]))
        elif self._links is not None:
            url = self._links.inbox_url(notice, question.pending)
            items.append(
                {
                    "type": "ActionSet",
                    "actions": [{"type": "Action.OpenUrl", "title": "Decide in the inbox", "url": url}],
                }
            )
        elif command := command_of(notice, question.pending):
            items.append(_runs([("Decide with", command)]))
        return {"type": "Container", "separator": True, "items": items}


def _runs(facts: list[tuple[str, str]], *, size: str = "Default", font: str = "Default") -> dict[str, Any]:
    """Return lines of text. Runs of text know no Markdown."""
    inlines: list[dict[str, Any]] = []
    for i, (name, value) in enumerate(facts):
        if i:
            inlines.append(_run("\n"))
        if name:
            inlines.append({**_run(f"{name}: "), "weight": "Bolder"})
        inlines.append({**_run(value), "size": size, "fontType": font})
    return {"type": "RichTextBlock", "inlines": inlines}


def _run(text: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": text.replace("{{", "{ {")}  # `{{DATE(...)}}` would be a date
