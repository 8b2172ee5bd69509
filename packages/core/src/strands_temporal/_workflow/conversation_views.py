"""What the queries of a conversation return: pages of messages, and what the agents do now."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.interrupt import Interrupt
from temporalio import workflow

from .._errors import AgentValueError
from .._upstream.run_local import run_local
from .._wire.conversations import ConversationStatus, MessagesPage, TurnResult
from .._wire.values import encode, encode_any, json_size
from .agent_views import AgentViews
from .client_call_waits import is_client_call, waiting_interrupts
from .current_details import describe_query
from .usage import WorkflowUsage

PAGE_MESSAGES = 50
"""Messages of a page if the query does not say how many."""

PAGE_BYTES = 400_000
"""Bytes of JSON of a page. Temporal warns of query results above 512 KiB, and refuses them above 2 MiB."""

REASON_BYTES = 8_000
"""Bytes of JSON that the reason of one question may have in the state, which clients ask for often."""

QUESTIONS_BYTES = 64_000
"""Bytes of JSON that all reasons may have there together."""


def add_query(name: str, handler: Callable[..., Any], description: str) -> None:
    """Register a query of the conversation.

    Raises:
        AgentValueError: If the workflow already has a query of that name.
    """
    if workflow.get_query_handler(name) is not None:
        raise AgentValueError(
            f"Conversation: the workflow already has a query {name!r}. Give its own query another name"
        )
    workflow.set_query_handler(name, handler)
    describe_query(name, description)


def messages_page(messages: Sequence[Any], start: Any = 0, limit: Any = None) -> MessagesPage:
    """Return a page of messages, the oldest first. It has at least one message, if there is one.

    Accepts any arguments, because a person may send the query by hand.

    Args:
        messages: All messages.
        start: Index of the first message. A negative one counts from the end: -10 begins ten messages before
            the end. Or a mapping with the keys `start` and `limit`.
        limit: Most messages of the page.
    """
    if isinstance(start, Mapping):
        both = cast("Mapping[str, Any]", start)
        start, limit = both.get("start", 0), both.get("limit", limit)
    begin = start if isinstance(start, int) else 0
    begin = max(0, len(messages) + begin) if begin < 0 else min(begin, len(messages))
    most = limit if isinstance(limit, int) and limit > 0 else PAGE_MESSAGES
    page: list[dict[str, Any]] = []
    room = PAGE_BYTES
    for message in messages[begin : begin + most]:
        shown = _shown(message)
        room -= json_size(shown)
        if page and room < 0:
            break
        page.append(shown)
    end = begin + len(page)
    return MessagesPage(page, begin, len(messages), end if end < len(messages) else None)


def _shown(message: Any) -> dict[str, Any]:
    """Return a message as JSON values. Of one that is too large for a query, a sentence."""
    shown = encode_any(message)
    size = json_size(shown)
    if size <= 2 * PAGE_BYTES:
        return shown
    return {
        "role": message.get("role", "user"),
        "content": [{"text": f"(a message of {size:,} bytes, too large to show)"}],
    }


def agents_at_work() -> list[dict[str, Any]]:
    """Return what each agent does that does something."""
    return [
        {"agent": name, "state": view.state(), "tools": sorted({tool for tool, _ in view.tools.values()})}
        for name, view in run_local(AgentViews).named()
        if view.turns or view.tools or view.models
    ]


def total_usage() -> dict[str, Any]:
    """Return the tokens and calls of all agents."""
    return asdict(run_local(WorkflowUsage).total())


def work_status() -> ConversationStatus | None:
    """Return what the agents do, if one does something."""
    work = agents_at_work()
    if any(each["tools"] for each in work):
        return "in_tool"
    return "thinking" if work else None


def turn_result_of(result: AgentResult, turn: int, usage_before: Mapping[str, Any]) -> TurnResult:
    """Return what the sender of a message gets.

    Args:
        result: Strands' result.
        turn: Number of the turn.
        usage_before: `total_usage()` before the turn.
    """
    paused = result.stop_reason == "interrupt"
    output = result.structured_output
    asked = (result.interrupts or ()) if paused else ()
    return TurnResult(
        turn=turn,
        text="" if paused else str(result).strip(),
        stop_reason=str(result.stop_reason),
        structured_output=None if output is None else encode(output.model_dump(mode="json")),
        usage={name: count - usage_before.get(name, 0) for name, count in total_usage().items()},
        interrupts=[_question(each) for each in asked if not is_client_call(each)],
    )


def open_questions(agent: Agent) -> list[dict[str, Any]]:
    """Return the interrupts with which an agent waits, of a size for the state. No calls of client tools."""
    room = QUESTIONS_BYTES
    shown: list[dict[str, Any]] = []
    for interrupt in waiting_interrupts(agent):
        if is_client_call(interrupt):
            continue
        question = _question(interrupt)
        size = json_size(question["reason"])
        if size > min(room, REASON_BYTES):
            question = {**question, "reason": f"(a reason of {size:,} bytes, too large to show)", "cut": True}
        else:
            room -= size
        shown.append(question)
    return shown


def _question(interrupt: Interrupt) -> dict[str, Any]:
    return {"id": interrupt.id, "name": interrupt.name, "reason": encode_any(interrupt.reason)}
