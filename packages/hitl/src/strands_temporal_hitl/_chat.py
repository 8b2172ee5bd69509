"""The part of `strands-temporal chat` that asks the person at the terminal."""

import asyncio
import getpass
import json
import os
from typing import Any

from temporalio.client import Client

from strands_temporal.extension import ChatScreen

from ._client import ApprovalsClient
from ._errors import ApprovalRefusedError, ApprovalsError
from ._people import Credential
from ._people_text import people_line, vote_line
from ._protocol import INVALID_ARGUMENTS, NOT_ALLOWED
from ._terminal import typed_arguments, typed_value
from ._types import PendingApproval

TOKEN_VARIABLE = "STRANDS_TEMPORAL_TOKEN"  # noqa: S105  # its name
"""Environment variable with the bearer token of the person at the terminal."""

_AGAIN = 0.5
"""Seconds until a question that still waits is looked for again."""


class ChatApprovalsPart:
    """Asks the open questions of a conversation, and sends what the person decides.

    Args:
        client: The chat's client.
        workflow_id: The conversation.
    """

    def __init__(self, client: Client, workflow_id: str) -> None:
        token = os.environ.get(TOKEN_VARIABLE)
        credential = Credential("bearer", token) if token else None
        self._approvals = ApprovalsClient(client, credential=credential, channel="chat")
        self._workflow_id = workflow_id
        self._voted: set[tuple[str, str | None]] = set()

    async def follow(self, screen: ChatScreen) -> None:
        """Ask whenever the conversation waits for people."""
        while True:
            await screen.waits_for_people()
            try:
                for pending in await self._approvals.pending(self._workflow_id):
                    if (pending.id, pending.digest) not in self._voted:
                        await self._decide(screen, pending)
            except ApprovalsError as error:  # it was decided elsewhere meanwhile, or no worker answers
                screen.note(str(error))
            await asyncio.sleep(_AGAIN)

    async def _decide(self, screen: ChatScreen, pending: PendingApproval) -> None:
        """Ask one question until it has an answer or is no longer asked here."""
        prompt = _prompt(pending)
        while (answer := await screen.ask(_lines(pending), prompt)) is not None:
            if await self._send(screen, pending, answer.strip()):
                return

    async def _send(self, screen: ChatScreen, pending: PendingApproval, answer: str) -> bool:
        """Send what was typed. Return False if it is no decision."""
        by = "" if self._approvals.proves else getpass.getuser()
        verdict, _, rest = answer.partition(" ")
        is_value = answer.startswith("=") or (pending.digest is None and answer != "")
        is_edit = not is_value and verdict.lower() in ("e", "edit")
        try:
            value = typed_value(answer.removeprefix("=").strip()) if is_value else None
            arguments = typed_arguments(rest) if is_edit else {}
        except ValueError as error:  # it looks like JSON but is not
            screen.note(str(error))
            return False
        reason = rest.strip() or None
        if is_value:  # for a question that is not about a call, whatever was typed
            record = await self._approvals.respond(self._workflow_id, pending, value, by=by)
        elif is_edit:
            try:
                record = await self._approvals.edit(self._workflow_id, pending, arguments, by=by)
            except ApprovalRefusedError as error:  # the person may mend them
                if error.kind not in (INVALID_ARGUMENTS, NOT_ALLOWED):
                    raise
                screen.note(str(error))
                return False
        elif verdict.lower() in ("y", "yes"):
            record = await self._approvals.approve(self._workflow_id, pending, by=by, reason=reason)
        elif verdict.lower() in ("n", "no"):
            record = await self._approvals.reject(self._workflow_id, pending, by=by, reason=reason)
        else:
            return False
        if line := vote_line(record):
            screen.note(line)
            self._voted.add((pending.id, record.edited_digest or pending.digest))
        return True


def _prompt(pending: PendingApproval) -> str:
    if pending.digest is None:
        return "Your answer:"
    ways = [_WAYS[each] for each in pending.allowed_decisions if each in _WAYS]
    return f"Allow it? [{', '.join(ways)}]"


_WAYS = {
    "approve": "y",
    "reject": "n, n REASON",
    "edit": 'e {"name": value, ...}',
    "respond": "or = VALUE",
}
"""What to type for each kind of decision."""


def _lines(pending: PendingApproval) -> list[str]:
    lines = [f"in {call.tool} {_json(call.arguments)}" for call in pending.outer]
    if pending.tool is not None:
        lines.append(f"The agent wants to call {pending.tool} {_json(pending.arguments)}")
    lines += [f"The agent wants to call {call.tool} {_json(call.arguments)}" for call in pending.calls]
    if pending.question is not None:
        lines += (
            pending.question if isinstance(pending.question, str) else _json(pending.question)
        ).splitlines()
    if people := people_line(pending):
        lines.append(people)
    if pending.deadline:
        lines.append(f"rejected automatically at {pending.deadline}")
    return lines


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
