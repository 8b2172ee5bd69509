"""Answers of front ends: people's decisions, and the results of front-end tools."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from importlib.metadata import entry_points
from typing import Any

from ag_ui.core import (
    Interrupt,
    ResumeEntry,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    ToolMessage,
)
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from strands_temporal.extension import WebAnswerRefusedError, WebPart, WebQuestion, until_processed

from .._types import PendingInterrupt
from .errors import NOTHING_WAITS, WebError
from .inputs import RunRequest
from .interrupts import is_client_call
from .messages import tool_value
from .sse import Sent
from .threads import unreachable
from .turns import asks

logger = logging.getLogger(__name__)

WEB_PARTS = "strands_temporal.web_parts"
"""Entry point group of the packages that take people's answers."""

# The protocol of client tools for clients in other languages: docs/client-tools.md.
_CALLS_QUERY = "client_tool_calls"
_RESULT_UPDATE = "client_tool_result"


def load_parts(client: Client) -> list[WebPart]:
    """Return the parts of the installed packages."""
    return [entry_point.load()(client) for entry_point in entry_points(group=WEB_PARTS)]


class Answers:
    """Sends answers to threads.

    Args:
        client: The Temporal client.
        parts: The parts that take people's answers.
    """

    def __init__(self, client: Client, parts: Sequence[WebPart]) -> None:
        self._client = client
        self._parts = parts

    @property
    def has_parts(self) -> bool:
        """Whether people's answers are taken."""
        return bool(self._parts)

    def as_message(self, request: RunRequest, waiting: Sequence[PendingInterrupt]) -> list[dict[str, Any]]:
        """Return the message that answers a turn that ended with interrupts.

        Raises:
            WebError: If an interrupt has no answer: the agent takes all of them at once.
        """
        blocks: list[dict[str, Any]] = []
        for one in waiting:
            entry = next((each for each in request.resume if asks(one, each.interrupt_id)), None)
            result = next((each for each in request.answers if asks(one, each.tool_call_id)), None)
            if entry is None and result is None:
                raise WebError(
                    f"resume: the interrupt {one.id!r} has no answer. Answer all of them", NOTHING_WAITS
                )
            response = _response(entry) if entry else _outcome(result) if result else None
            blocks.append({"interruptResponse": {"interruptId": one.id, "response": response}})
        return blocks

    async def send(
        self, request: RunRequest, waiting: Sequence[PendingInterrupt], by: str
    ) -> list[PendingInterrupt]:
        """Send a request's answers to a turn that waits. Return the interrupts that still wait.

        Raises:
            WebError: If the thread cannot be asked, or nothing here takes such answers.
            WebAnswerRefusedError: If the thread refuses an answer.
        """
        thread, answered = request.thread, set[str]()
        calls = await self._calls(thread) if any(map(is_client_call, waiting)) else []
        for message in request.answers:
            for one in waiting:
                if is_client_call(one) and asks(one, message.tool_call_id):
                    await self._send_result(request, one, message, calls, by)
                    answered.add(one.id)
        questions = await self.questions(thread) if request.resume else []
        for entry in request.resume:
            asked = next((one for one in waiting if asks(one, entry.interrupt_id)), None)
            if asked is None:
                text = f"resume: the thread does not wait for {entry.interrupt_id!r}"
                raise WebError(text, NOTHING_WAITS)
            if await self._decide(request, entry, asked, questions, by):
                answered.add(asked.id)
        rest = [one for one in waiting if one.id not in answered]
        if not rest:
            return []
        ids = [question.id for question in await self.questions(thread)]
        ids += [str(call["id"]) for call in await self._calls(thread)]
        return [one for one in rest if any(asks(one, id_) for id_ in ids)]

    async def questions(self, thread: str) -> list[WebQuestion]:
        """Return the thread's open questions."""
        found: list[WebQuestion] = []
        for part in self._parts:
            found += await part.questions(thread)
        return found

    async def described(self, thread: str, interrupts: Sequence[Interrupt]) -> list[Interrupt]:
        """Return interrupts with what the parts know of their questions."""
        try:
            questions = await self.questions(thread)
        except WebAnswerRefusedError as error:
            logger.warning("thread=<%s>, error=<%s> | the questions are shown without details", thread, error)
            return list(interrupts)
        return [_described(one, questions) for one in interrupts]

    async def completed(self, thread: str, sent: Sent) -> Sent:
        """Return an event; one that ends a run with questions, with what the parts know of them."""
        event = sent.event
        if isinstance(event, RunFinishedEvent) and isinstance(event.outcome, RunFinishedInterruptOutcome):
            event.outcome.interrupts = await self.described(thread, event.outcome.interrupts)
        return sent

    async def _decide(
        self,
        request: RunRequest,
        entry: ResumeEntry,
        asked: PendingInterrupt,
        questions: Sequence[WebQuestion],
        by: str,
    ) -> bool:
        """Send a person's decision. Return False if the question waits for others too."""
        if not self._parts:
            raise WebError(
                "Nothing here takes people's answers. Install strands-temporal[hitl]", NOTHING_WAITS
            )
        id_ = entry.interrupt_id
        open_ = (one for one in questions if one.id == id_ or one.id.partition("#")[0] == id_)
        question = next(open_, None) or WebQuestion(id_, asked.name)
        still = await self._parts[0].answer(
            request.thread,
            question,
            _response(entry),
            rejects=entry.status == "cancelled",
            by=by,
            request=f"{request.run}:{id_}",
        )
        return still is None

    async def _send_result(
        self,
        request: RunRequest,
        asked: PendingInterrupt,
        message: ToolMessage,
        calls: Sequence[dict[str, Any]],
        by: str,
    ) -> None:
        ids = [str(call["id"]) for call in calls]
        id_ = next((one for one in ids if asks(asked, one)), asked.id)
        handle = self._client.get_workflow_handle(request.thread)
        value = {"id": id_, "by": by, **_outcome(message)}
        try:
            update = partial(handle.execute_update, _RESULT_UPDATE, value, id=f"{request.run}:{id_}")
            await until_processed(update)
        except WorkflowUpdateFailedError as error:
            kind = error.cause.type if isinstance(error.cause, ApplicationError) else None
            raise WebAnswerRefusedError(str(error.cause), kind or "Refused") from error
        except RPCError as error:
            raise unreachable(request.thread, error) from error

    async def _calls(self, thread: str) -> list[dict[str, Any]]:
        """Return the open calls of front-end tools."""
        handle = self._client.get_workflow_handle(thread)
        try:
            return await handle.query(_CALLS_QUERY, result_type=list[dict[str, Any]])
        except (RPCError, WorkflowQueryFailedError, asyncio.TimeoutError) as error:
            raise unreachable(thread, error) from error


def _response(entry: ResumeEntry) -> Any:
    return False if entry.status == "cancelled" else True if entry.payload is None else entry.payload


def _outcome(message: ToolMessage) -> dict[str, Any]:
    return {"error": message.error} if message.error else {"result": tool_value(message)}


def _described(one: Interrupt, questions: Sequence[WebQuestion]) -> Interrupt:
    for question in questions:
        if question.id == one.id or question.id.partition("#")[0] == one.id:
            more = {"strands_temporal": question.details} if question.details else {}
            return one.model_copy(
                update={
                    "id": question.id,
                    "message": question.text or one.message,
                    "response_schema": question.response_schema,
                    "expires_at": question.deadline or one.expires_at,
                    "metadata": {**(one.metadata or {}), **more},
                }
            )
    return one
