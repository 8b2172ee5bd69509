"""Hands a turn over to the next run of the workflow, between two steps of the turn.

Strands' own stop between two steps is `agent.cancel(after_current_tools=True)`. The tools of the step have
ended then, their results are in the conversation, and `invoke_async(None)` goes on with the next model call.
What else Strands does at the end of an invocation belongs to the end of the turn. It is held back at a cut:
the conversation manager, and the hooks for `AfterInvocationEvent`.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.hooks import AfterInvocationEvent, AfterToolsEvent, BaseHookEvent, BeforeInvocationEvent
from strands.middleware import InvokeModelContext, InvokeModelStage
from strands.telemetry.metrics import AgentInvocation
from strands.types.agent import AgentInput
from temporalio import workflow

from .._errors import AgentValueError
from .._upstream.deferred import end_saves
from .._upstream.private_api import (
    has_running_background_tasks,
    observe_cancellation,
)
from .._upstream.run_local import run_local
from .._upstream.shared_messages import only_reads
from .agent_views import AgentViews
from .agent_watch import about
from .cancels import cancels_of
from .hand_over_checks import checked_hooks, gave_structured_output
from .hand_over_room import TurnRoom, check_carries
from .held_manager import HeldManager
from .log_lines import log_line
from .turn_cut import TurnCut, history_is_nearly_full

TResult = TypeVar("TResult")

LONGEST_PART = 150
"""Cycles after which a turn begins a new invocation of Strands, unseen by hooks. Each cycle calls the next
one, so a longer invocation ends at Python's recursion limit (1.62: event_loop.py:1095)."""


class TurnHandOver:
    """Lets a turn of an agent go on in the next run of the workflow, from between two of its steps.

    A step is one model call and the tools that the model asked for. The turn is one turn for the agent, as if
    one run had done it: messages, tool results, `limits`, usage, structured output and the final result.

        hand_over = TurnHandOver(agent, workflow.info().is_continue_as_new_suggested, carried=start.turn)
        result = await hand_over.run(agent.invoke_async, start.prompt)
        if result is None:
            workflow.continue_as_new(Start(start.prompt, agent.carry(), hand_over.carry()))

    An agent has one `TurnHandOver`. It acts in the calls of `run` only.

    Args:
        agent: The agent, built in this run of the workflow.
        wanted: Function that returns true if the turn should go on in the next run, for example
            `workflow.info().is_continue_as_new_suggested`. Called after the tools of each step. It must be
            deterministic.
        carried: What `carry()` returned in the run before.
        check: Function that raises `CarryTooLargeError` if the next run's input would be too large. By
            default the carry of the agent and that of the turn together are checked.

    Attributes:
        stopped: Whether the last call of `run` ended with a hand-over, and returned None.

    Raises:
        AgentTypeError: If the agent is not a `TemporalAgent` that was built in this workflow, if `wanted` or
            `check` cannot be called, or `carried` is no value of `carry()`.
        AgentValueError: If the agent pauses at checkpoints, may run several turns at once, or has a
            `TurnHandOver` already, or if `carried` is damaged.
    """

    def __init__(
        self,
        agent: Agent,
        wanted: Callable[[], bool],
        *,
        carried: dict[str, Any] | None = None,
        check: Callable[[], object] | None = None,
    ) -> None:
        hooks = checked_hooks(agent, wanted, check)
        self.stopped: bool = False
        self._agent = agent
        self._wanted = wanted
        self._room = TurnRoom(agent, check or (lambda: check_carries(agent, self.carry())))
        self._cut = TurnCut.unpack(carried) if carried else None
        self._prompt = agent.system_prompt_content
        self._running = False
        self._asked = False  # the stop of the running step is ours
        self._leaves = False  # ... because the turn should go on in the next run
        self._held: HeldManager | None = None
        self._forced = False  # Strands makes the model give its structured output
        self._invocation: AgentInvocation | None = None
        self._begun_with = 0  # cycles of the turn when its present part began
        self._cancels_before = 0
        hooks.withholds = self._withholds
        # Last, when the user's hooks have decided whether the turn ends here.
        hooks.add_callback(AfterToolsEvent, self._after_tools, order=math.inf)
        agent.add_middleware(InvokeModelStage.Input, self._before_model)
        only_reads(agent)

    async def run(
        self, invoke: Callable[[AgentInput], Awaitable[TResult]], prompt: AgentInput = None
    ) -> TResult | None:
        """Run a turn, or the rest of the turn that was handed over.

        Args:
            invoke: Runs the agent with a prompt: `agent.invoke_async`, or a function that calls it with its
                other arguments, or that answers the agent's questions. It gives the same arguments in each
                run of the workflow: `limits`, the structured output model, what of the `invocation_state` is
                not JSON.
            prompt: The turn's prompt. Not used for the rest of a turn, whose conversation has it.

        Returns:
            What `invoke` returned at the end of the turn. None if the turn should go on in the next run: call
            `carry()` and `agent.carry()`, and continue as new. A later call of `run` in this run goes on
            with the turn too.

        Raises:
            AgentValueError: If another call of `run` is in progress.
            CarryTooLargeError: If the turn is too large for the next run, and the history of this run is
                nearly full. Before that the turn goes on in this run, with a warning.
            Exception: What `invoke` raises.
        """
        if self._running:
            raise AgentValueError("hand_over.run(...) is in progress. An agent runs one turn at a time")
        self._running = True
        self.stopped = False
        try:
            while True:
                cut = self._cut
                if cut is not None and (cut.cancelled or self._is_cancelled_after(cut)):
                    message = cut.message if cut.cancelled else cancels_of(self._agent).message
                    Agent.cancel(self._agent, message=message)
                result = await invoke(prompt if cut is None else None)
                if self._cut is None or self._cut is cut:
                    return result
                if self._leaves and not self._is_cancelled_after(self._cut) and self._room.may_leave():
                    await end_saves(self._agent)
                    self.stopped = True
                    log_line("the turn goes on in the next run", **about(self._agent))
                    return None
        finally:
            self._running = False

    def give_up(self) -> None:
        """Give up the rest of a turn that was cut: the next call of `run` begins a turn with its prompt.

        Raises:
            AgentValueError: If `run` is in progress.
        """
        if self._running:
            raise AgentValueError("hand_over.give_up() while run(...) is in progress. Wait until it returns")
        cut, self._cut = self._cut, None
        if cut is not None and not cut.carried:
            run_local(AgentViews).of(self._agent).turns.clear()

    def carry(self) -> dict[str, Any]:
        """Return what the rest of the turn needs beside `agent.carry()`. Empty between turns.

        It contains Strands' counts of the turn (cycles, tokens), the `invocation_state` as far as it is JSON,
        and whether the agent was cancelled since the turn was cut.

        Raises:
            AgentValueError: If `run` is in progress, other than for its `check`.
        """
        if self._cut is None:
            if self._running:
                raise AgentValueError(
                    "hand_over.carry() while run(...) is in progress. Wait until it returns"
                )
            return {}
        if not self._cut.cancelled and self._is_cancelled_after(self._cut):
            self._cut.cancelled, self._cut.message = True, cancels_of(self._agent).message
        return self._cut.pack()

    # --- Where a turn may be cut

    def goes_on_after(self, event: AfterToolsEvent) -> bool:
        """Tell whether the turn has another step, as far as this event and the hooks before can tell."""
        stops = event.end_turn or self._is_cancelled() or self._ends_by_itself(event)
        return self._running and not stops

    def _before_model(self, context: InvokeModelContext) -> InvokeModelContext:
        self._forced = context.structured_output_model is not None
        return context

    def _after_tools(self, event: AfterToolsEvent) -> None:
        """Stop the turn after this step, if its rest should be an invocation of its own."""
        if not self.goes_on_after(event):
            return
        agent = self._agent
        cycles = len(agent.event_loop_metrics.agent_invocations[-1].cycles)
        self._leaves = self._room.may_try(cycles) and self._wanted() and self._may_leave_tasks()
        if not self._leaves and cycles - self._begun_with < LONGEST_PART:
            return
        self._asked = True
        self._held = HeldManager(agent.conversation_manager)
        agent.conversation_manager = self._held
        Agent.cancel(agent, after_current_tools=True)  # the base class's: it is not the user's

    def _may_leave_tasks(self) -> bool:
        """Tell whether the agent has no background task that this run should wait for.

        A task ends in the run that began it. If the history is nearly full, nothing waits for it: in the next
        run Strands tells the model that the task failed.
        """
        if not has_running_background_tasks(self._agent):
            return True
        if not history_is_nearly_full():
            return False
        workflow.logger.warning(
            "agent=<%s> | the history is nearly full: the turn goes on in the next run without the agent's "
            "running background tasks",
            self._agent.name,
        )
        return True

    def _ends_by_itself(self, event: AfterToolsEvent) -> bool:
        """Tell whether Strands ends the turn after this step, or goes on in a way that only it knows."""
        if self._forced or event.invocation_state.get("request_state", {}).get("stop_event_loop"):
            return True
        return gave_structured_output(self._agent, event)

    # --- The begin and the end of an invocation, as hooks should see them

    def _withholds(self, event: BaseHookEvent) -> bool:
        """Tell whether to keep an event from the agent's hooks: the turn neither begins nor ends with it."""
        if isinstance(event, BeforeInvocationEvent):
            return self._begins(event)
        return isinstance(event, AfterInvocationEvent) and self._ends(event)

    def _begins(self, event: BeforeInvocationEvent) -> bool:
        agent, metrics = self._agent, self._agent.event_loop_metrics
        if not self._running:  # a call that is not ours
            self.give_up()
        cut, self._cut = self._cut, None
        if cut is not None:
            cut.go_on(agent, event.invocation_state)
        if cut is not None or metrics.latest_agent_invocation is not self._invocation:
            self._cancels_before = cancels_of(agent).count
            self._forced = False
        self._invocation = metrics.latest_agent_invocation
        self._begun_with = len(self._invocation.cycles) if self._invocation else 0
        return cut is not None and not cut.carried

    def _ends(self, event: AfterInvocationEvent) -> bool:
        asked, self._asked = self._asked, False
        result = event.result
        cut = asked and result is not None and _is_stopped(result) and not self._is_cancelled()
        self._release_manager(apply=not cut)
        if cut:
            self._cut = TurnCut.of(self._agent, event.invocation_state, self._prompt)
        return cut

    def _release_manager(self, *, apply: bool) -> None:
        """Give the agent its conversation manager back, and let it do what was held back if `apply`."""
        held, self._held = self._held, None
        if held is None:
            return
        if self._agent.conversation_manager is held:
            self._agent.conversation_manager = held.manager
        if apply and held.was_asked:
            held.manager.apply_management(self._agent)

    def _is_cancelled(self) -> bool:
        """Tell whether the user has stopped the running turn."""
        return cancels_of(self._agent).count > self._cancels_before or observe_cancellation(self._agent)

    def _is_cancelled_after(self, cut: TurnCut) -> bool:
        """Tell whether the user has stopped the agent since its turn was cut in this run."""
        return not cut.carried and cancels_of(self._agent).count > self._cancels_before


def _is_stopped(result: AgentResult) -> bool:
    return result.stop_reason == "cancelled" and result.structured_output is None
