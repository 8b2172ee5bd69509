"""The part of a web front end (AG-UI) that shows questions and sends people's decisions."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, cast

from temporalio.client import Client

from strands_temporal.extension import WebAnswerRefusedError, WebQuestion

from ._client import ApprovalsClient
from ._decision import Decision
from ._errors import ApprovalRefusedError, ApprovalsEndedError, ApprovalsError, ApprovalsUnreachableError
from ._people_text import people_line, vote_line
from ._protocol import MALFORMED_DECISION
from ._proving import ProvedName
from ._types import PendingApproval

_ABOUT_CALLS = ("v1:before_tool_call:", "v1:before_tools:")
"""How ids begin of questions that are asked before a tool runs. A tool's own question may want any value."""

_DETAILS = (
    "tool",
    "arguments",
    "digest",
    "agent",
    "outer",
    "calls",
    "allowed_decisions",
    "deciders",
    "votes",
    "proposed_by",
    "original_arguments",
)

_ANSWER = frozenset({"approved", "reason", "arguments"})
"""The fields of the usual answer to a question about a tool call."""


class WebApprovalsPart:
    """Shows the open questions of conversations, and decides them through `ApprovalsClient`.

    Args:
        client: The app's client.
    """

    def __init__(self, client: Client) -> None:
        self._approvals = ApprovalsClient(client, channel="web")

    async def questions(self, thread: str) -> list[WebQuestion]:
        """Return a thread's open questions, oldest first; none if it has no `Approvals`.

        Raises:
            WebAnswerRefusedError: If it cannot be asked.
        """
        try:
            return [_question(pending) for pending in await self._approvals.pending(thread)]
        except ApprovalsUnreachableError as error:
            if "it has no Approvals" in str(error):
                return []
            raise _refused(error) from error
        except ApprovalsError as error:
            raise _refused(error) from error

    async def answer(
        self, thread: str, question: WebQuestion, value: Any, *, rejects: bool, by: str, request: str
    ) -> str | None:
        """Send a person's decision. It counts for the call that the person saw.

        Returns:
            What the question still waits for, if others have to decide too.

        Raises:
            WebAnswerRefusedError: If the thread does not take it.
        """
        digest = (question.details or {}).get("digest")
        credential = by.credential if isinstance(by, ProvedName) else None
        decision = _decision(question, value, rejects=rejects, by=str(by), digest=digest)
        if credential is not None:
            decision = replace(decision, by="")  # the worker finds out
        try:
            record = await self._approvals.decide(thread, decision, update_id=request, credential=credential)
        except ApprovalsError as error:
            raise _refused(error) from error
        return vote_line(record) or None


def _question(pending: PendingApproval) -> WebQuestion:
    values = asdict(pending)
    text = pending.question if isinstance(pending.question, str) else None
    if pending.question is None and pending.tool is not None:
        text = f"The agent wants to call {pending.tool}. Allow it?"
    if people := people_line(pending):
        text = f"{text or pending.name} ({people})"
    return WebQuestion(
        id=pending.id,
        name=pending.name,
        reason=pending.question,
        text=text,
        deadline=pending.deadline,
        details={name: values[name] for name in _DETAILS if values[name]},
        response_schema=_schema(pending) if _is_about_calls(pending) else None,
    )


def _is_about_calls(pending: PendingApproval) -> bool:
    """Tell whether a question wants a yes or a no. A tool's own question may want any value."""
    return "edit" in pending.allowed_decisions or pending.id.startswith(_ABOUT_CALLS)


def _schema(pending: PendingApproval) -> dict[str, Any]:
    """Return the JSON schema of the usual answer to a question about a tool call."""
    allowed = pending.allowed_decisions
    approved: dict[str, Any] = {"type": "boolean", "description": "Whether the tool may run"}
    if "reject" not in allowed:
        approved["const"] = True
    elif "approve" not in allowed and "edit" not in allowed:
        approved["const"] = False
    reason = "Why. The agent reads the reason of a rejection or of other arguments"
    properties: dict[str, Any] = {"approved": approved, "reason": {"type": "string", "description": reason}}
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": ["approved"]}
    if "edit" in allowed:
        arguments = dict(pending.input_schema or {"type": "object"})
        for defined in ("$defs", "definitions"):  # references begin at the root
            if defined in arguments:
                schema[defined] = arguments.pop(defined)
        text = "With approved: all arguments with which the tool runs, if other than the agent's"
        properties["arguments"] = {"description": text, **arguments}
    if "edit" in allowed and "approve" not in allowed and "reject" not in allowed:
        schema["required"] = ["approved", "arguments"]
    return schema


def _decision(question: WebQuestion, value: Any, *, rejects: bool, by: str, digest: str | None) -> Decision:
    id_ = question.id
    if rejects:
        return Decision(id_, "reject", by, "Cancelled", digest=digest)
    approved, reason = value, None
    if isinstance(value, Mapping):
        given = cast("Mapping[str, Any]", value)
        fields = _ANSWER if question.response_schema else _ANSWER - {"arguments"}
        if given.keys() <= fields and isinstance(given.get("approved"), bool):
            approved, reason = given["approved"], given.get("reason")
            reason = str(reason) if reason else None
            if (arguments := given.get("arguments")) is not None:
                return _edit(id_, approved, arguments, by=by, reason=reason, digest=digest)
    if isinstance(approved, bool):
        return Decision(id_, "approve" if approved else "reject", by, reason, digest=digest)
    return Decision(id_, "respond", by, response=value, digest=digest)


def _edit(
    id_: str, approved: bool, arguments: Any, *, by: str, reason: str | None, digest: str | None
) -> Decision:
    if not approved:
        text = f"The answer to {id_!r} has arguments, but does not approve the call"
        raise WebAnswerRefusedError(text, MALFORMED_DECISION)
    return Decision(id_, "edit", by, reason, digest=digest, arguments=arguments)


def _refused(error: ApprovalsError) -> WebAnswerRefusedError:
    kind = error.kind if isinstance(error, ApprovalRefusedError) else ""
    if isinstance(error, ApprovalsEndedError):
        kind = "THREAD_ENDED"
    return WebAnswerRefusedError(str(error), kind or "UNREACHABLE")
