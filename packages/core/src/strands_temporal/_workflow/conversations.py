"""`Conversation`: a durable chat with one agent, as a part of a workflow."""

import asyncio
from dataclasses import replace
from typing import Any, cast

from temporalio import workflow
from temporalio.exceptions import FailureError
from typing_extensions import Unpack

from .._errors import AgentTypeError, AgentValueError, ConversationClosedError
from .._upstream.run_local import run_local
from .._wire.conversations import (
    MESSAGES,
    STATE,
    ConversationEnd,
    ConversationStart,
    ConversationState,
    ConversationStatus,
    EndReason,
    MessagesPage,
)
from .agent import TemporalAgent
from .carry import pack
from .client_tools import client_calls
from .conversation_budget import TokenBudget
from .conversation_carry import FORMAT, pack_conversation, restore_agent_of, unpack_conversation
from .conversation_inbox import Inbox, closed, turn_limit
from .conversation_next_run import NextRun
from .conversation_options import ConversationOptions, settings_of
from .conversation_parts import ConversationParts
from .conversation_signals import Signals
from .conversation_turn import TurnRunner
from .conversation_turns import Answer, Turns
from .conversation_views import (
    add_query,
    agents_at_work,
    messages_page,
    open_questions,
    total_usage,
    work_status,
)
from .hand_over import TurnHandOver
from .made_agents import MakeAgent, make_agent_of
from .turn_cut import history_is_nearly_full


class Conversation:
    """A durable chat with one agent. Make it in the workflow's `__init__`, and run it in the workflow.

        @workflow.defn
        class Support:
            @workflow.init
            def __init__(self, start: ConversationStart) -> None:
                self.chat = Conversation(start, make_agent)

            @workflow.run
            async def run(self, start: ConversationStart) -> ConversationEnd:
                return await self.chat.run()

    It answers the updates and signals `send`, `cancel_turn` and `close` and the queries `messages` and
    `state`, which `ConversationClient` uses from any process. The workflow continues as new by itself: then
    its `__init__` gets a `ConversationStart` with everything that the conversation has. People's answers to
    interrupts (strands-temporal-hitl) and the stream of events (strands-temporal-streaming) belong to it if
    these packages are installed.

    Args:
        start: The workflow's argument.
        make_agent: Function that makes the agent, from nothing or from the start's `arguments`. It is called
            once in each run of the workflow, and the agent then gets the conversation so far.
        **options: See `ConversationOptions`.

    Raises:
        AgentTypeError: If an argument or an option has a wrong type, or `make_agent` returns no agent.
        AgentValueError: If an option has a wrong value, `make_agent` raises, the start's carry is damaged, or
            the workflow already has a handler with one of the names above.
    """

    def __init__(
        self, start: ConversationStart, make_agent: MakeAgent, **options: Unpack[ConversationOptions]
    ) -> None:
        owner = "Conversation"
        if not isinstance(cast("object", start), ConversationStart):
            raise AgentTypeError(
                f"{owner}: {start!r} is not a ConversationStart. Give the workflow's argument, and declare "
                "it as ConversationStart, so that it is decoded as one"
            )
        self._settings = settings_of(owner, options)
        self._start = start
        content = unpack_conversation(start.carry)
        with FORMAT.reading():
            self._turns = Turns.carried(content.get("turns", {}))
        self._next_run = NextRun(self._next_start, self._turns)
        self._inbox = Inbox(self._turns, self._settings, lambda: self.state, self._next_run.has_room)
        self._inbox.reason = content.get("reason")
        self._inbox.open()
        with FORMAT.reading():
            self._signals = Signals(self._inbox, content.get("signals"))
        self._signals.open()
        self._agent = make_agent_of(owner, make_agent, start.arguments)
        self._parts = ConversationParts(self._agent, content.get("parts", {}), self._settings.approvals)
        restore_agent_of(content, self._agent)
        self._calls = client_calls()
        with FORMAT.reading():
            self._calls.take_over(content.get("calls"))
        self._hand_over = TurnHandOver(
            self._agent, self._wants_to_hand_over, carried=content.get("turn"), check=self._next_run.check
        )
        self._runner = TurnRunner(
            self._agent,
            self._inbox,
            self._signals,
            self._parts,
            self._calls,
            self._hand_over,
            self._wants_to_hand_over,
        )
        self._runner.usage_before = content.get("usage_before", {})
        self._runner.idle_since = content.get("idle_since", workflow.time())
        self._runs = False
        self._stays_at: int | None = None  # the inbox's `work` when the next run's input was too large
        self._budget = run_local(TokenBudget)
        if self._settings.max_tokens is not None:
            self._budget.limit(self._settings.max_tokens)
        add_query(MESSAGES, self._messages, _ABOUT_MESSAGES)
        add_query(STATE, lambda: self.state, _ABOUT_STATE)

    @property
    def agent(self) -> TemporalAgent:
        """The agent. Between two turns the workflow may change it; a turn is for the conversation to run."""
        return self._agent

    @property
    def state(self) -> ConversationState:
        """What the conversation does now."""
        return ConversationState(
            status=self._status(),
            turn=self._turns.turn,
            queued=self._turns.waiting,
            queued_bytes=self._turns.waiting_bytes,
            running=agents_at_work(),
            usage=total_usage(),
            agent=self._start.agent,
            run_id=workflow.info().run_id,
            reason=self._inbox.reason,
            signals=self._signals.shown(),
            dropped=self._signals.dropped,
            questions=self._questions(),
        )

    async def run(self) -> ConversationEnd:
        """Answer messages, one turn after the other, until the conversation ends. Call it once.

        Returns:
            Why and when it ended.

        Raises:
            CarryTooLargeError: If the workflow must continue as new, and the conversation is too large.
            AgentTypeError: If the agent's state holds something that cannot be carried.
            AgentValueError: If it is called a second time.
        """
        if self._runs:
            raise AgentValueError("Conversation.run: it runs already. Call it once, in the workflow's run")
        self._runs = True
        try:
            self._inbox.reason = reason = await self._converse()
        except asyncio.CancelledError:
            await self._finish(ConversationClosedError("The conversation's workflow was cancelled"))
            raise
        except FailureError as error:  # it ends the workflow: for example, nothing can be carried
            await self._finish(error)
            raise
        await self._finish(self._error_of(reason))
        return ConversationEnd(reason, self._turns.turn, total_usage())

    async def _converse(self) -> EndReason:
        """Run turns, and continue as new in between. Return why the conversation ends."""
        runner = self._runner
        while True:
            if not runner.resumes and self._wants_to_hand_over() and self._may_continue_as_new():
                await self._continue_as_new()
            if runner.resumes or self._turns.begin():
                if await runner.run():
                    if reason := self._end_after_turn():
                        return reason
                elif self._hand_over.stopped or self._may_continue_as_new():  # a stopped turn was checked
                    await self._continue_as_new()
            elif self._inbox.reason is not None:
                return self._inbox.reason
            elif not await self._something_to_do():
                return "idle"

    async def _something_to_do(self) -> bool:
        """Wait for something to do. Return whether it came in time."""

        def came() -> bool:
            inbox = self._inbox
            return bool(self._turns.queue) or inbox.reason is not None or self._wants_to_hand_over()

        left = None
        if self._settings.idle_timeout is not None:
            left = self._settings.idle_timeout.total_seconds() - (workflow.time() - self._runner.idle_since)
            if left <= 0:
                return came()
        try:
            await workflow.wait_condition(came, timeout=left, timeout_summary="idle timeout")
        except asyncio.TimeoutError:
            return came()
        return True

    def _wants_to_hand_over(self) -> bool:
        """Tell whether the workflow should continue as new.

        A run in which the agent has not worked does so only if Temporal suggests it: if the user's function
        always returned true, the next run would do the same. Readers of the stream and clients make such a
        run long too, while the agent waits for people.
        """
        if history_is_nearly_full():
            return True
        if self._stays_at == self._inbox.work:
            return False
        suggested = workflow.info().is_continue_as_new_suggested
        return self._settings.wants_to_hand_over() and (bool(self._inbox.work) or suggested())

    def _may_continue_as_new(self) -> bool:
        """Tell whether the next run can begin. If not, the conversation goes on in this run.

        Raises:
            CarryTooLargeError: If the next run's input would be too large, and this run has no room either.
        """
        may = self._next_run.may_begin()
        self._stays_at = None if may else self._inbox.work
        return may

    def _end_after_turn(self) -> EndReason | None:
        if self._budget.is_spent:
            return "token_budget"
        most = self._settings.max_turns
        return "turn_limit" if most is not None and self._turns.turn >= most else None

    def _error_of(self, reason: EndReason) -> Exception:
        """Return the error for messages that come too late."""
        if reason == "token_budget":
            return self._budget.error()
        return turn_limit(self._settings.max_turns) if reason == "turn_limit" else closed(reason)

    async def _continue_as_new(self) -> None:
        """Continue as new. Whoever waits for an answer asks the next run for it."""
        self._inbox.handing_over = True
        self._parts.detach()
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._next_run.begin()  # with messages that came meanwhile

    def _next_start(self) -> ConversationStart:
        """Return the next run's input, as the conversation is now."""
        agent = pack(self._agent)
        rest: dict[str, Any] = {
            "parts": self._parts.carry(agent),
            "turns": self._turns.carry(),
            "turn": self._hand_over.carry() or None,
            "calls": self._calls.carry() if self._parts.runner is None else None,
            "signals": self._signals.carry(),
            "usage_before": self._runner.usage_before,
            "idle_since": self._runner.idle_since,
            "reason": self._inbox.reason,
        }
        return replace(self._start, carry=pack_conversation(agent, rest))

    async def _finish(self, error: Exception) -> None:
        """End the conversation. Messages that wait get an error."""
        self._inbox.ended = True
        self._parts.end_turn(self._turns, lambda _: Answer(error=error))
        self._turns.refuse_waiting(error)
        self._signals.end_turn()
        self._parts.detach()
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _messages(self, start: Any = 0, limit: Any = None) -> MessagesPage:
        return messages_page(self._agent.messages, start, limit)

    def _questions(self) -> list[dict[str, Any]]:
        """Return the questions that the next message answers."""
        is_open = self._turns.running is None and self._inbox.reason is None and not self._inbox.ended
        return open_questions(self._agent) if is_open and self._parts.runner is None else []

    def _status(self) -> ConversationStatus:
        if self._inbox.ended:
            return "ended"
        if self._inbox.reason is not None:
            return "closing"
        if self._turns.running is None:
            return "idle"
        waits = "waiting_for_client" if self._calls.pending else None
        return work_status() or self._parts.status() or waits or "thinking"


_ABOUT_MESSAGES = (
    "A page of the messages as JSON, the oldest first. Arguments, optional: the index of the first one "
    '(negative: from the end), and how many; or both in one: {"start": 0, "limit": 50}'
)
_ABOUT_STATE = "What the conversation does now, as JSON. No arguments"
