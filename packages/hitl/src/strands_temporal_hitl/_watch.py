"""Watches the calls of one agent: shows them to people, and checks that the same call runs."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, cast
from weakref import ref

from strands import Agent
from strands.hooks import (
    AfterInvocationEvent,
    AfterToolCallEvent,
    AfterToolsEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    BeforeToolsEvent,
)
from strands.interrupt import Interrupt, InterruptException
from strands.interventions.actions import default_evaluate
from strands.middleware import ExecuteToolContext, ExecuteToolStage
from strands.types.events import ToolResultEvent
from strands.types.tools import AgentTool, ToolUse
from temporalio import workflow

from strands_temporal.extension import (
    CHANGED_AND_REFUSED,
    CHANGED_CALL,
    Edit,
    EditedCalls,
    SubAgentQuestion,
    end_waiting,
    is_declared_safe,
    schema_of,
    tell_sub_agent,
)

from ._inner import RunningCall, inside, subject_of
from ._listening import Listener
from ._policy_types import POLICY_QUESTION
from ._state import Place
from ._turn import IN_CHILD, Asked, Turn, decided_call
from ._types import ShownCall
from ._values import as_json

if TYPE_CHECKING:
    from ._watches import Watches

BINDS_WHAT_RUNS = "strands-temporal-hitl-binds-what-runs"
"""Patch id. Histories without it have no questions about a call that changed after a person allowed it."""

BINDS_INNER_CALLS = "strands-temporal-hitl-binds-inner-calls"
"""Patch id. In histories without it, the calls of agents that a tool builds or calls itself ran unwatched."""

_BACKGROUND_CHOICE = "_background_execution"
"""Argument with which a model asks for a background task. Strands removes it before the tool runs (1.62:
background_tasks/_background_tasks.py:38). While it is in use, no tool may have an argument of that name."""

_IN_FORMER_CHILD = f"{IN_CHILD} "
"""Beginning of the last part of a place, for a call in a child workflow that does not report call paths."""


class Watch:
    """The hooks and the middleware that watch one agent.

    The first hook and the last one see how the others changed a call. The middleware sees the call that runs:
    it is the innermost, unless the user adds middleware later.

    Attributes:
        turn: The agent's current turn.
        place: The place at which the agent was called.
        outer: The calls that led to that call.
        name: The agent's name, as people see it.
        patch: Patch id of questions about changed calls.
        waits_with: Strands' ids of the interrupts with which the agent's last turn paused.
    """

    def __init__(self, watches: "Watches", agent: Agent) -> None:
        self.turn = Turn([])
        self.place: Place = ()
        self.outer: list[ShownCall] = []
        self.name = agent.name
        self.patch = BINDS_WHAT_RUNS
        self.waits_with: list[str] = []
        self._watches = watches
        self._agent = ref(agent)
        self._calls: dict[str, ShownCall] = {}
        self._message: dict[str, ShownCall] = {}
        self._paused_at: dict[str, ShownCall] = {}  # the calls of the message at which the last turn paused
        self._ended: set[str] = set()
        self._stoppers: dict[str, str] = {}  # names of the handlers that cancelled calls
        self._gated = False  # whether a call of the message may wait for a person
        self._open: set[str] = set()  # calls that run or ask: in the background, while the model is called
        self._raised: dict[str, Asked] = {}
        self._ids: dict[str, str] = {}  # the original ids of calls, by the ids that hooks gave them
        self._begun: dict[int, tuple[str, AgentTool | None, str]] = {}
        self._inner: dict[str, RunningCall] = {}
        self._tools: dict[str, AgentTool | None] = {}
        self._edits = EditedCalls()
        agent.hooks.add_callback(BeforeModelCallEvent, self._before_model, order=-inf)
        agent.hooks.add_callback(BeforeToolsEvent, self._before_tools, order=-inf)
        agent.hooks.add_callback(BeforeToolCallEvent, self._before_call, order=-inf)
        agent.hooks.add_callback(BeforeToolCallEvent, self._about_to_call, order=inf)
        agent.hooks.add_callback(AfterToolCallEvent, self._after_call)
        agent.hooks.add_callback(AfterToolsEvent, self._after_tools)
        agent.hooks.add_callback(AfterInvocationEvent, self._after_turn)
        agent.add_middleware(ExecuteToolStage, self._guard)

    def own_id(self, tool_use_id: str) -> str:
        """Return the id that a call has in its message. A hook may have changed it."""
        return self._ids.get(tool_use_id, tool_use_id)

    def raised(self, interrupt_id: str) -> Asked | None:
        """Return the subject of an interrupt of a tool or a sub-agent; None for any other interrupt."""
        return self._raised.get(interrupt_id)

    def asked_by(self, use: ToolUse) -> Asked:
        """Return the subject of a question that a call raised."""
        own = self.own_id(use["toolUseId"])
        call = self._calls.get(own) or self._shown(use["name"], use["input"], None)
        return Asked(self.name, self.outer, call, places=[(*self.place, own)], tool_use_id=own)

    def asked_before(self, use: ToolUse) -> Asked:
        """Return the subject of a question that is asked before its call runs: people may edit the call."""
        tool = self._tools.get(self.own_id(use["toolUseId"]))
        return replace(self.asked_by(use), schema=schema_of(tool), declared_safe=is_declared_safe(tool))

    def asked(self) -> Asked:
        """Return the subject of a question about a whole message: all open calls of the message."""
        ids = list(self._message)
        calls = [self._message[each] for each in ids]
        return Asked(self.name, self.outer, calls=calls, places=[(*self.place, each) for each in ids])

    def open_calls(self) -> dict[str, ShownCall]:
        """Return the calls without a result of the message at which the last turn paused, by their ids."""
        ids = [each for each in self._paused_at if each not in self._ended]
        return {each: self._calls.get(each, self._paused_at[each]) for each in ids}

    def end_waiting(self) -> None:
        """Make the agent stop waiting for people, if it waits: the turn is over."""
        agent = self._agent()
        if agent is not None:
            end_waiting(agent)

    def _before_model(self, event: BeforeModelCallEvent) -> None:
        for kept in (self._calls, self._message, self._ended, self._ids, self._begun, self._tools):
            kept.clear()
        self._inner = {own: running for own, running in self._inner.items() if own in self._open}
        self.turn.forget(self.place, but=self._open)

    def _before_tools(self, event: BeforeToolsEvent) -> None:
        uses = [block["toolUse"] for block in event.message["content"] if "toolUse" in block]
        self._message = {
            use["toolUseId"]: self._shown(use["name"], use["input"], None)
            for use in uses
            if use["toolUseId"] not in self._ended
        }
        tools = event.agent.tool_registry.registry
        self._gated = self._watches.judging.gates(
            [(call, tools.get(call.tool)) for call in self._message.values()], self.turn
        )

    def _before_call(self, event: BeforeToolCallEvent) -> None:
        use = event.tool_use
        self._begun[id(event)] = use["toolUseId"], event.selected_tool, use["name"]
        edited = self.turn.edit_of((*self.place, use["toolUseId"]))
        edit = Edit(edited.edited, edited.edited_why) if edited and edited.edited is not None else None
        self._edits.begin(event, edit)

    def _about_to_call(self, event: BeforeToolCallEvent) -> None:
        own, selected, name = self._begun.pop(id(event))
        use, tool = event.tool_use, event.selected_tool
        if tool is selected and use["name"] != name:  # a hook renamed it: Strands takes the new name's tool
            tool = event.agent.tool_registry.registry.get(use["name"])
        self._ids[use["toolUseId"]] = own
        self._calls[own] = self._shown(tool.tool_name if tool else use["name"], use["input"], tool)
        self._tools[own] = tool
        if why := self._edits.check(event, own):
            self._watches.misfits(self.turn.edit_of((*self.place, own)), why)
            self.turn.denied[(*self.place, own)] = True
        self._stoppers[own] = self._watches.cancelled.handler_of(event)

    def _after_call(self, event: AfterToolCallEvent) -> None:
        own = self.own_id(event.tool_use["toolUseId"])
        self._ended.add(own)
        self._edits.end(event, own)
        at, stopper = (*self.place, own), self._stoppers.pop(own, "")
        # A person's no, the policy's, and an edit that no longer fits are in the record already.
        if event.cancel_message is not None and at not in self.turn.denied:
            self._watches.cancelled.note(at, self._calls[own], stopper, event.cancel_message)
        for reason in self._reasons_for(own, bool(getattr(event.selected_tool, "delegate", False))):
            content = event.result["content"]
            if not any(reason in str(block.get("text")) for block in content):
                event.result = {**event.result, "content": [*content, {"text": f"Rejected: {reason}"}]}
        note = self.turn.notes.pop((*self.place, own), None)
        if note is not None and not getattr(event.selected_tool, "delegate", False):
            event.result = {**event.result, "content": [*event.result["content"], {"text": note}]}

    def _after_turn(self, event: AfterInvocationEvent) -> None:
        result = event.result
        asks = result is not None and result.stop_reason == "interrupt"
        self.waits_with = [each.id for each in result.interrupts or ()] if result and asks else []

    def _after_tools(self, event: AfterToolsEvent) -> None:
        self._paused_at, self._message = self._message, {}

    async def _guard(self, context: ExecuteToolContext, next_fn: Any) -> AsyncGenerator[Any, None]:
        """Let a call run. If people allowed a different call at its place, ask them about this one first."""
        use, tool = context.tool_use, context.tool
        own = self.own_id(use["toolUseId"])
        call = self._about_to_run(context, own)
        granted = self.turn.exceeded((*self.place, own), call)
        at = (*self.place, own)
        inner = getattr(tool, "agent", None)
        is_agent = isinstance(inner, Agent) and inner is not self._agent()
        listener = Listener(self.turn, at) if is_agent else None
        running = RunningCall(
            self._inner.get(own),
            lambda agent, part: self._watches.stand(
                agent, self.turn, (*at, part), [*self.outer, call], patch=BINDS_INNER_CALLS
            ),
            (self._agent(), inner),
        )
        self._inner[own] = running
        self._open.add(own)
        asks = False
        try:
            if granted is not None and workflow.patched(self.patch):
                before = decided_call(granted)
                why = before.why_again(call.tool, call.arguments)
                answer = context.interrupt(before.name_again(call.tool, call.arguments), reason=why).response
                is_yes = answer == self._watches.approved or default_evaluate(answer)
                if granted.edited is not None or not is_yes:
                    self._edits.forget(own)
                    yield ToolResultEvent(_denied(use))
                    return
            refusal = await self._watches.judging.refusal(
                context, at, lambda: self._about_to_run(context, own), self.turn, gated=self._gated
            )
            if refusal:
                self._edits.forget(own)
                yield ToolResultEvent(refusal)
                return
            self._edits.runs(own, self._calls[own].arguments)
            if listener:
                self._watches.stand(cast("Agent", inner), self.turn, at, [*self.outer, call])
            if decided := self.turn.decided_in_child(at, self._watches.approved):
                tell_sub_agent(cast("Agent", context.agent), use["toolUseId"], decided)
            async for event in inside(running, next_fn(context)):
                asks = asks or "tool_interrupt_event" in event
                self._hear(event, use, listener, running)
                yield event
        except InterruptException as error:  # for a background task only this tells which call asks
            asks = True
            about = self._subject(error.interrupt, use, running)
            if error.interrupt.name.startswith((CHANGED_CALL, POLICY_QUESTION)):
                about = self.asked_before(use)
                if _is_in_background(error.interrupt, use):  # hooks ran, and would not see an edit
                    about = replace(about, schema=None)
            self._raised[error.interrupt.id] = about
            raise
        finally:
            if not asks:
                self._open.discard(own)

    def _hear(self, event: Any, use: ToolUse, inner: Listener | None, running: RunningCall) -> None:
        """Note a tool's questions or, if the tool runs agents, the questions of these agents.

        The events must be read here. Strands later unwraps the events of a delegate. The parent's stream does
        not show which call they belong to.
        """
        if "tool_interrupt_event" in event:
            for interrupt in event["tool_interrupt_event"]["interrupts"]:
                about = inner.ending(interrupt.id) if inner else self._subject(interrupt, use, running)
                if isinstance(interrupt, SubAgentQuestion):
                    about = self._asked_in_child(use, interrupt)
                self._raised[interrupt.id] = about
        elif isinstance(data := event.get("tool_stream_event", {}).get("data"), Mapping):
            if inner:
                inner.hear(cast("Mapping[str, Any]", data))
            running.hear(data)

    def _subject(self, interrupt: Interrupt, use: ToolUse, running: RunningCall) -> Asked:
        """Return the subject of a question of a call: a call of an agent that waits inside, or the call.

        If agents wait inside and the tool asks a question of its own, that is about all of their open calls.
        """
        of = self._watches.of
        waiting = [watch for agent in running.agents if (watch := of(agent)) and watch.waits_with]
        return subject_of(interrupt, waiting, running.heard) if waiting else self.asked_by(use)

    def _asked_in_child(self, use: ToolUse, question: SubAgentQuestion) -> Asked:
        """Return the subject of a question of a child workflow: the call in the child that asks.

        The call has a place of its own below the call of the child. The child itself watches that place: it
        gets the decisions with the answers.
        """
        own = self.own_id(use["toolUseId"])
        call = ShownCall(as_json(question.tool), as_json(question.arguments), question.agent)
        between = [ShownCall(as_json(o["tool"]), as_json(o["arguments"]), o["agent"]) for o in question.outer]
        outer = [*self.outer, self._calls.get(own) or self._shown(use["name"], use["input"], None), *between]
        below = [IN_CHILD, *question.path] if question.path else [f"{_IN_FORMER_CHILD}{question.id}"]
        place = (*self.place, own, *below)
        return Asked(question.agent, outer, call, places=[place], tool_use_id=own, schema=question.schema)

    def _reasons_for(self, own: str, delegates: bool) -> list[str]:
        """Remove and return the reasons of rejections for a call, for its agent's model.

        They include the reasons for the calls of a child workflow on an older release, which does not take
        reasons. They leave out those for the calls of a delegate, because the model does not read its answer.
        """
        at = (*self.place, own)
        reasons = self.turn.reasons
        places = [each for each in reasons if each == at or (_is_in_child(each, at) and not delegates)]
        return [reasons.pop(each) for each in places]

    def _about_to_run(self, context: ExecuteToolContext, own: str) -> ShownCall:
        """Return the call that a middleware lets run, as it is now, and keep it for questions."""
        use, tool = context.tool_use, context.tool
        call = self._shown(tool.tool_name if tool else use["name"], use["input"], tool)
        self._calls[own], self._tools[own] = call, tool
        return call

    def _shown(self, name: str, arguments: Any, tool: AgentTool | None) -> ShownCall:
        if isinstance(arguments, dict) and _BACKGROUND_CHOICE in arguments and not _declares(tool):
            given = cast("dict[str, Any]", arguments)
            arguments = {key: value for key, value in given.items() if key != _BACKGROUND_CHOICE}
        return ShownCall(as_json(name), as_json(arguments), self.name)


def _is_in_background(interrupt: Interrupt, use: ToolUse) -> bool:
    """Tell whether a middleware asks in a background task: the interrupt's id has the task, not the call."""
    return f":{use['toolUseId']}:" not in interrupt.id


def _is_in_child(place: Place, call: Place) -> bool:
    return place[:-1] == call and place[-1].startswith(_IN_FORMER_CHILD)


def _declares(tool: AgentTool | None) -> bool:
    schema: Any = tool.tool_spec["inputSchema"] if tool else {}
    return _BACKGROUND_CHOICE in schema.get("json", {}).get("properties", {})


def _denied(use: ToolUse) -> Any:
    text = CHANGED_AND_REFUSED
    return {"toolUseId": use["toolUseId"], "status": "error", "content": [{"text": text}]}
