"""The part of a web front end (AG-UI) that shows questions and sends people's decisions."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from temporalio.client import Client

from strands_temporal.extension import WebAnswerRefusedError, WebQuestion

from ._client import ApprovalsClient
from ._errors import ApprovalRefusedError, ApprovalsEndedError, ApprovalsError, ApprovalsUnreachableError
from ._types import Decision, PendingApproval

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean", "description": "Whether the tool may run"},
        "reason": {"type": "string", "description": "Why. The agent reads the reason of a rejection"},
    },
    "required": ["approved"],
}
"""What a person answers to a question about a tool call."""

_ABOUT_CALLS = ("v1:before_tool_call:", "v1:before_tools:")
"""How ids begin of questions that are asked before a tool runs. A tool's own question may want any value."""

_DETAILS = ("tool", "arguments", "digest", "agent", "outer", "calls")


class WebApprovalsPart:
    """Shows the open questions of conversations, and decides them through `ApprovalsClient`.

    Args:
        client: The app's client.
    """

    def __init__(self, client: Client) -> None:
        self._approvals = ApprovalsClient(client)

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
    ) -> None:
        """Send a person's decision. It counts for the call that the person saw.

        Raises:
            WebAnswerRefusedError: If the thread does not take it.
        """
        digest = (question.details or {}).get("digest")
        decision = _decision(question.id, value, rejects=rejects, by=by, digest=digest)
        try:
            await self._approvals.decide(thread, decision, update_id=request)
        except ApprovalsError as error:
            raise _refused(error) from error


def _question(pending: PendingApproval) -> WebQuestion:
    values = asdict(pending)
    text = pending.question if isinstance(pending.question, str) else None
    if pending.question is None and pending.tool is not None:
        text = f"The agent wants to call {pending.tool}. Allow it?"
    return WebQuestion(
        id=pending.id,
        name=pending.name,
        reason=pending.question,
        text=text,
        deadline=pending.deadline,
        details={name: values[name] for name in _DETAILS if values[name]},
        response_schema=_SCHEMA if pending.id.startswith(_ABOUT_CALLS) else None,
    )


def _decision(id_: str, value: Any, *, rejects: bool, by: str, digest: str | None) -> Decision:
    if rejects:
        return Decision(id_, "reject", by, "Cancelled", digest=digest)
    approved, reason = value, None
    if isinstance(value, Mapping):
        given = cast("Mapping[str, Any]", value)
        if given.keys() <= {"approved", "reason"} and isinstance(given.get("approved"), bool):
            approved, reason = given["approved"], given.get("reason")
            reason = str(reason) if reason else None
    if isinstance(approved, bool):
        return Decision(id_, "approve" if approved else "reject", by, reason, digest=digest)
    return Decision(id_, "respond", by, response=value, digest=digest)


def _refused(error: ApprovalsError) -> WebAnswerRefusedError:
    kind = error.kind if isinstance(error, ApprovalRefusedError) else ""
    if isinstance(error, ApprovalsEndedError):
        kind = "THREAD_ENDED"
    return WebAnswerRefusedError(str(error), kind or "UNREACHABLE")
