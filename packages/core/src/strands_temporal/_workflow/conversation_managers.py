"""Conversation managers in a workflow. Their model calls are activities, like all model calls.

Strands calls a manager synchronously, and a synchronous call in a workflow cannot wait for a model. So an
asynchronous hook calls the manager first, through `repeat_call`, which awaits the model calls. When Strands
calls the manager, the context is already reduced.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

from strands import Agent
from strands.agent.conversation_manager import (
    ConversationManager,
    NullConversationManager,
    SlidingWindowConversationManager,
    SummarizingConversationManager,
)
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    HookOrder,
    HookProvider,
    HookRegistry,
)
from strands.types.exceptions import ContextWindowOverflowException
from temporalio import workflow
from typing_extensions import override

from .._errors import AgentTypeError
from .._upstream.conversation_managers import WAITS_PATCH
from .._upstream.private_api import summary_models
from .._upstream.repeated_calls import Outcome, outcome_of, repeat_call
from .failures import mark_left_agent
from .held_manager import ManagerStandIn
from .tool_caller import check_agent_in_workflow


async def reduce_context(agent: Agent, error: Exception | None = None) -> None:
    """Have an agent's conversation manager reduce the context now, and wait for it. For workflow code.

    It does what `agent.conversation_manager.reduce_context(agent, e=error)` does in a plain program, where
    that call may wait for a model's summary. Call it between two turns, for example to shorten a conversation
    before `agent.carry()`.

    Args:
        agent: The agent.
        error: The overflow to recover from. With None, Strands' managers do not raise if they fail: the
            conversation then stays as it is.

    Raises:
        RuntimeError: Outside of a workflow.
        Exception: Any exception of the manager.
    """
    check_agent_in_workflow("reduce_context(agent)")
    try:
        await _reduce(agent, agent.conversation_manager, error)
    except Exception as raised:
        mark_left_agent(raised)
        raise


async def _reduce(agent: Agent, manager: ConversationManager, error: Exception | None) -> None:
    await _call(agent, manager, lambda: manager.reduce_context(agent, e=error))


async def _call(agent: Agent, manager: ConversationManager, call: Callable[[], None]) -> None:
    """Make a synchronous call of an agent's manager, and await its model calls."""
    before: list[Any] = []

    def noting() -> None:
        before[:] = dict(vars(manager)), list(agent.messages)
        call()

    def undo() -> None:
        attributes, messages = before
        vars(manager).clear()
        vars(manager).update(attributes)
        agent.messages[:] = messages

    await repeat_call(
        noting,
        undo=undo,
        may_wait=lambda: workflow.patched(WAITS_PATCH),
        # The summarizing manager lends its agent the messages for the time of the call.
        holders=[value for value in vars(manager).values() if isinstance(value, Agent)],
    )


# --- After an overflow --------------------------------------------------------------------------------------


async def reduce_after_overflow(event: AfterModelCallEvent) -> None:
    """Reduce the context when a model call has overflowed, if the manager may have to wait for a model.

    After this event Strands calls the manager synchronously, and `_Reduced` returns the outcome.
    """
    agent, error = event.agent, event.exception
    manager = agent.conversation_manager
    if event.retry or not isinstance(error, ContextWindowOverflowException) or not _may_wait(manager):
        return
    outcome = await outcome_of(_reduce(agent, manager, error))
    agent.conversation_manager = _Reduced(manager, error, outcome)


class _Reduced(ManagerStandIn):
    """Replaces an agent's manager that has already reduced the context, until Strands calls `reduce_context`.

    Args:
        manager: The manager.
        error: The overflow that made the manager reduce the context.
        outcome: The result or the exception of the manager's `reduce_context`.
    """

    def __init__(self, manager: ConversationManager, error: Exception, outcome: Outcome) -> None:
        super().__init__(manager)
        self._error = error
        self._outcome = outcome

    @override
    def reduce_context(self, agent: Agent, e: Exception | None = None, **kwargs: Any) -> None:
        """Return the manager's result, or raise its exception, and put the manager back."""
        put_back(agent)
        if e is self._error:
            self._outcome.get()
        else:
            super().reduce_context(agent, e, **kwargs)


def put_back(agent: Agent) -> None:
    """Give an agent its own manager again, if Strands never asked for the reduced context."""
    while isinstance(agent.conversation_manager, _Reduced):
        agent.conversation_manager = agent.conversation_manager.manager


# --- Before a model call ------------------------------------------------------------------------------------


class ManagerHooks(HookRegistry):
    """The hooks of an agent that is built in a workflow. The hooks of its manager can wait for a model."""

    def __init__(self) -> None:
        super().__init__()
        # Last, when the user's hooks have decided whether to call the model again.
        self.add_callback(AfterModelCallEvent, reduce_after_overflow, order=HookOrder.SDK_LAST)
        self.add_callback([BeforeInvocationEvent, AfterInvocationEvent], _put_back)

    @override
    def add_hook(self, hook: HookProvider) -> None:
        """See base class."""
        if isinstance(hook, ConversationManager) and _may_wait(hook):
            hook.register_hooks(_WaitingHooks(self, hook))
        else:
            super().add_hook(hook)


_built_outside: WeakSet[Agent] = WeakSet()


def wait_for_manager(agent: Agent) -> None:
    """Let the manager of an agent that was built outside of the workflow wait for a model.

    Takes effect from the agent's first model call on.
    """
    if not isinstance(agent.hooks, ManagerHooks) and agent not in _built_outside:
        _built_outside.add(agent)
        agent.hooks.add_callback(AfterModelCallEvent, reduce_after_overflow, order=HookOrder.SDK_LAST)


def _put_back(event: BeforeInvocationEvent | AfterInvocationEvent) -> None:
    put_back(event.agent)


class _WaitingHooks(HookRegistry):
    """Passes the hooks of a manager on to an agent's hooks, as asynchronous ones."""

    def __init__(self, registry: HookRegistry, manager: ConversationManager) -> None:
        super().__init__()
        self._registry = registry
        self._manager = manager

    @override
    def add_callback(self, event_type: Any, callback: Any, *, order: float = HookOrder.DEFAULT) -> None:
        """See base class."""
        synchronous = event_type is AgentInitializedEvent or event_type is None
        if not (synchronous or inspect.iscoroutinefunction(callback)):
            callback = self._awaited(callback)
        self._registry.add_callback(event_type, callback, order=order)

    @override
    def add_hook(self, hook: HookProvider) -> None:
        """See base class."""
        self._registry.add_hook(hook)

    def _awaited(self, callback: Callable[[Any], None]) -> Callable[[Any], Awaitable[None]]:
        @functools.wraps(callback)
        async def awaited(event: Any) -> None:
            await _call(event.agent, self._manager, lambda: callback(event))

        return awaited


def _may_wait(manager: ConversationManager) -> bool:
    return type(manager) not in (SlidingWindowConversationManager, NullConversationManager)


# --- What cannot work ---------------------------------------------------------------------------------------


def check_conversation_manager(owner: str, manager: ConversationManager) -> None:
    """Refuse a summarizing manager whose own agent has a real model.

    The run would end at the first overflow, perhaps after days.

    Args:
        owner: Where the manager was given, for the message: "TemporalAgent(conversation_manager=...)".
        manager: The manager.

    Raises:
        AgentTypeError: If the model is one of Strands' own.
    """
    if not isinstance(manager, SummarizingConversationManager) or manager.summarization_agent is None:
        return
    model = manager.summarization_agent.model
    if _does_io(model):
        raise AgentTypeError(
            f"{owner}: the summarization_agent of {type(manager).__name__} has a {type(model).__name__}, "
            f"which would do its I/O inside the workflow. {_REGISTER}summarization_agent=TemporalAgent(name)"
        )


def check_strategies(owner: str, agent: Agent) -> None:
    """Refuse an agent whose `context_manager=` has a strategy with a real model.

    Strands logs a strategy's error and goes on, so the conversation would never be summarized.

    Args:
        owner: Where the strategies were given, for the message: "TemporalAgent(context_manager=...)".
        agent: The agent.

    Raises:
        AgentTypeError: If the model is one of Strands' own.
    """
    for model in filter(_does_io, summary_models(agent)):
        raise AgentTypeError(
            f"{owner}: the {type(model).__name__} of a strategy would do its I/O inside the workflow. "
            f'{_REGISTER}Offload.summarize(..., {{"model": TemporalModel(name)}})'
        )


_REGISTER = "Register its factory in StrandsPlugin(models={name: factory}) on the worker, and give "


def _does_io(model: object) -> bool:
    return type(model).__module__.partition(".")[0] == "strands"
