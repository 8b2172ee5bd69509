"""Runs the turns of a conversation: one turn, or what of it belongs to this run of the workflow."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from strands.agent.agent_result import AgentResult
from strands.hooks import AfterToolCallEvent, BeforeModelCallEvent
from temporalio import workflow

from .._upstream.cancel_signal import CancelSignal
from .agent import TemporalAgent
from .client_call_waits import is_client_call
from .client_tools import ClientCalls
from .conversation_inbox import Inbox
from .conversation_parts import ConversationParts
from .conversation_signals import Signals
from .conversation_steering import Steering
from .conversation_turns import Answer, Sent
from .conversation_views import total_usage, turn_result_of
from .failures import mark_left_agent
from .hand_over import TurnHandOver


class TurnRunner:
    """Runs the turns of one conversation, and answers their messages.

    Args:
        agent: The conversation's agent.
        inbox: Its inbox.
        signals: Its signals.
        parts: Its parts of other packages.
        calls: The workflow's client calls.
        hand_over: The agent's hand-over.
        wants_to_hand_over: Returns true if the rest of the turn should go on in the next run.

    Attributes:
        resumes: Whether the turn that runs began before: in the previous run, or it waits for people or
            clients.
        usage_before: `total_usage()` before the turn.
        idle_since: When the last turn ended, in the workflow's time.
    """

    def __init__(
        self,
        agent: TemporalAgent,
        inbox: Inbox,
        signals: Signals,
        parts: ConversationParts,
        calls: ClientCalls,
        hand_over: TurnHandOver,
        wants_to_hand_over: Callable[[], bool],
    ) -> None:
        self._agent = agent
        self._inbox = inbox
        self._signals = signals
        self._parts = parts
        self._calls = calls
        self._hand_over = hand_over
        self._wants_to_hand_over = wants_to_hand_over
        self.resumes = inbox.turns.running is not None
        self.usage_before: dict[str, Any] = {}
        self.idle_since: float = workflow.time()
        Steering(agent, inbox, hand_over, parts)
        agent.hooks.add_callback(BeforeModelCallEvent, self._note_work)
        agent.hooks.add_callback(AfterToolCallEvent, self._note_work)

    async def run(self) -> bool:
        """Run the current turn and answer its messages. Return whether it ended in this run."""
        inbox, turns = self._inbox, self._inbox.turns
        sent = cast("Sent", turns.running)
        resumes, self.resumes = self.resumes, False
        if not resumes:
            self.usage_before = total_usage()
            self._parts.turn_started(sent, turns.turn)
        try:
            prompt = None if resumes else inbox.reader.prompt_of(sent.message)
            result = await self._hand_over.run(self._invoke, prompt)
            if result is None or self._stopped_waiting(result):
                self.resumes = True
                return False
            turn_result = turn_result_of(result, turns.turn, self.usage_before)
        except Exception as error:  # noqa: BLE001  # an error of the user's agent ends its turn
            mark_left_agent(error)
            self._hand_over.give_up()  # else the next message would go on with this turn
            failure = Answer(error=error)
            self._parts.end_turn(turns, lambda _: failure)
        else:
            self._parts.end_turn(turns, lambda each: Answer(replace(turn_result, steered=each is not sent)))
        inbox.work += 1
        inbox.cancel = CancelSignal()
        self._signals.end_turn()
        self.idle_since = workflow.time()
        return True

    async def _invoke(self, prompt: Any) -> AgentResult:
        """Call the agent. If a part answers interrupts, let it."""
        options: dict[str, Any] = {"cancel_signal": self._inbox.cancel}
        if self._inbox.settings.limits is not None:
            options["limits"] = self._inbox.settings.limits
        runner = self._parts.runner or self._calls
        return await runner.run(self._agent, prompt, stop_waiting_when=self._wants_to_hand_over, **options)

    def _stopped_waiting(self, result: AgentResult) -> bool:
        """Tell whether the agent still waits for people or clients that can answer it."""
        if result.stop_reason != "interrupt":
            return False
        asked = [each for each in result.interrupts or () if each.response is None]
        return self._parts.runner is not None or all(map(is_client_call, asked))

    def _note_work(self, event: BeforeModelCallEvent | AfterToolCallEvent) -> None:
        del event
        self._inbox.work += 1
