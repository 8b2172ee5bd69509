"""`TemporalAgent`: a Strands agent whose loop runs in a workflow."""

from collections.abc import AsyncIterator
from types import AsyncGeneratorType
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.agent.conversation_manager import ConversationManager
from strands.models import Model
from strands.models.routing import ModelRouter
from strands.types.agent import AgentInput
from temporalio.exceptions import TemporalError
from typing_extensions import Unpack, override

from .._errors import AgentValueError, SynchronousCallError
from .._upstream.answers import answers_random, go_back_to
from .._upstream.callers import SUB_AGENT_CALLS, called_by_strands
from .._upstream.deferred import finish_setup
from .._upstream.private_api import end_waiting
from .._upstream.repeated_calls import is_captured
from .agent_checks import check_plugins, check_storages, checked_sandbox, tool_provider_hooks
from .agent_options import (
    TemporalAgentOptions,
    check_agent_options,
    default_callback_handler,
    model_argument,
    snapshots_allowed,
    snapshots_disabled,
    split_options,
    summary_arguments,
)
from .agent_waiting import answers_interrupts, end_waiting_after_turns
from .agent_watch import watch
from .cancels import note_cancel
from .carry import AgentCarry, pack, unpack
from .conversation_managers import check_conversation_manager, check_strategies
from .failures import construction_error, mark_left_agent
from .interventions import told_of
from .model import TemporalModel, as_durable_model
from .sandboxes import stream_sandbox
from .tool_caller import AsyncToolCaller, check_agent_in_workflow

T = TypeVar("T", bound=BaseModel)


class TemporalAgent(Agent):
    """A Strands agent for workflows. Model calls and wrapped tools are activities; the agent loop replays.

    It is `strands.Agent` with the same arguments and these differences: `model` is a name or a
    `TemporalModel`; activity options of the model calls may be given beside Strands' arguments; retries are
    Temporal's (`retry_policy`); an uncaught error of a call ends the workflow as a typed failure. Call it
    with `await agent.invoke_async(...)`. Its counterpart on the worker is `StrandsPlugin`.

    Args:
        model: Name of a model in `StrandsPlugin(models=...)`, a `TemporalModel`, or None for the plugin's
            default.
        **options: Activity options for model calls (see `TemporalModel`), the arguments of
            `strands.Agent`, and three of ours. `carry`: the value that `carry()` returned in the previous
            run. `allow_snapshots` (bool): lets you call `take_snapshot()` and `load_snapshot()`.
            `summary_arguments` (bool): shows the arguments of tool calls in the Web UI, in the summaries of
            their activities.

    Raises:
        AgentTypeError: If an option is unknown, or `model` is a real model instead of a name or handle.
        AgentValueError: If `retry_strategy` is given, if activity options are given beside a `TemporalModel`
            that has its own, or if Strands refuses an argument.
    """

    def __init__(
        self, model: TemporalModel | ModelRouter | str | None = None, **options: Unpack[TemporalAgentOptions]
    ) -> None:
        activity_options, agent_options = split_options(options)
        check_agent_options(agent_options)
        check_plugins(agent_options.get("plugins"))
        self._users_may_snapshot = snapshots_allowed(agent_options)
        agent_options["model"] = model_argument(model, activity_options)
        self._activity_options = activity_options
        agent_options["aux_model"] = self._auxiliary(agent_options.get("aux_model"))
        hooks = tool_provider_hooks(agent_options.get("tools"), sandbox=agent_options.get("sandbox"))
        agent_options["sandbox"] = checked_sandbox(agent_options.get("sandbox"))
        stream_sandbox(agent_options["sandbox"], agent_options["model"])
        agent_options["hooks"] = [*hooks, *(h for h in agent_options.get("hooks") or () if h not in hooks)]
        if interventions := agent_options.get("interventions"):
            agent_options["interventions"] = told_of(interventions)
        agent_options["retry_strategy"] = None
        agent_options.setdefault("callback_handler", default_callback_handler())
        carry = agent_options.pop("carry", None)
        shows_arguments = summary_arguments(agent_options)
        self._turns_running = 0
        try:
            super().__init__(**agent_options)
            check_strategies("TemporalAgent(context_manager=...)", self)
            check_storages("TemporalAgent", self)
            end_waiting_after_turns(self)
            watch(self, show_arguments=shows_arguments)
            if carry is not None:
                unpack(carry, self, keep_system_prompt=agent_options.get("system_prompt") is not None)
        except TemporalError:
            raise
        except Exception as error:
            raise construction_error(error) from error

    @override
    def __call__(self, prompt: AgentInput = None, **kwargs: Any) -> AgentResult:
        """Refuse: a synchronous call needs its own thread, which a workflow does not have.

        A conversation manager may call an agent: its calls are awaited (see `conversation_managers.py`).

        Raises:
            SynchronousCallError: In a workflow, if anything but a conversation manager calls.
            RuntimeError: Outside of a workflow.
        """
        check_agent_in_workflow("agent(...)")
        if is_captured():
            return super().__call__(prompt, **kwargs)
        raise SynchronousCallError(
            "agent(...) cannot run in a workflow. Write `await agent.invoke_async(...)`"
        )

    @override
    async def stream_async(self, prompt: AgentInput = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Run the agent and yield its events. `invoke_async` calls this too.

        Raises:
            RuntimeError: Outside of a workflow.
        """
        check_agent_in_workflow("agent.invoke_async(...)")
        if called_by_strands(1, SUB_AGENT_CALLS) and not answers_interrupts(prompt):
            end_waiting(self)  # its previous caller was stopped, or a hook cancelled the call
        self._turns_running += 1
        callers = answers_random()  # the caller may be another agent's tool or hook
        try:
            await finish_setup(self)
            # Close the generator explicitly: a workflow's event loop never finalizes an abandoned async
            # generator, which would keep the agent's invocation lock.
            events = cast("AsyncGeneratorType[Any, None]", super().stream_async(prompt, **kwargs))
            try:
                async for event in events:
                    yield event
            finally:
                # If the worker dropped the workflow, the garbage collector ends the generator in mid-step:
                # `ag_running` is then True.
                if not events.ag_running:
                    await events.aclose()
            go_back_to(callers)
        except Exception as error:
            go_back_to(callers)
            mark_left_agent(error)
            raise
        finally:
            self._turns_running -= 1

    @override
    def cancel(self, *, message: str | None = None, after_current_tools: bool = False) -> None:
        """Cancel the current turn, as in Strands. See `strands.Agent.cancel`."""
        super().cancel(message=message, after_current_tools=after_current_tools)
        note_cancel(self, message)

    async def wait_until_ready(self) -> None:
        """Restore the session and finish the set-up of the plugins, if they need activities for that.

        The first turn does so automatically. Call this method to see a restored conversation earlier.

        Raises:
            Exception: Any exception of the storage or the plugin. The next call, or the next turn, tries
                again.
        """
        check_agent_in_workflow("agent.wait_until_ready()")
        try:
            await finish_setup(self)
        except Exception as error:
            mark_left_agent(error)
            raise

    @property
    def conversation_manager(self) -> ConversationManager:
        """The manager that keeps the conversation within the model's limits. May be set.

        Raises:
            AgentTypeError: If it is set to a manager that cannot work in a workflow.
        """
        return self._conversation_manager

    @conversation_manager.setter
    def conversation_manager(self, manager: ConversationManager) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  # Strands' is an attribute
        check_conversation_manager("TemporalAgent(conversation_manager=...)", manager)
        self._conversation_manager = manager

    @property
    @override
    def aux_model(self) -> Model:
        """Model for Strands' calls outside of the conversation. Set it to a name or a handle."""
        return super().aux_model

    @aux_model.setter
    def aux_model(self, aux_model: Model | str | None) -> None:
        Agent.aux_model.__set__(self, self._auxiliary(aux_model))

    def _auxiliary(self, model: object) -> Model | None:
        if model is None:
            return None
        return as_durable_model(
            "TemporalAgent(aux_model=...)", model, lambda name: TemporalModel(name, **self._activity_options)
        )

    def carry(self) -> AgentCarry:
        """Return this agent as a value for the next run of the workflow. Call it between two turns.

        It contains the messages, the agent's state, pending interrupts, the conversation manager's state, a
        stateful model's state, the system prompt, and usage and metrics counted over all runs. It contains
        the same for each sub-agent that is a tool with `preserve_context=True`. It does not contain tools,
        hooks, plugins, the structured output model and invocation state: the next run passes them again.

        Raises:
            AgentValueError: If a turn is running (wait for it, for example with
                `workflow.all_handlers_finished`), or if the agent is its own sub-agent.
            CarryTooLargeError: If the server would refuse the carry, or end the workflow because of its size.
            AgentTypeError: If the agent's state contains something that is neither JSON nor bytes.
        """
        if self._turns_running:
            raise AgentValueError(
                "agent.carry() while a turn is running would lose what the turn has done. Wait for it, for "
                "example with workflow.wait_condition(workflow.all_handlers_finished)"
            )
        return pack(self)

    @property
    def tool_async(self) -> "AsyncToolCaller":
        """Call a tool directly, and wait for it: `await agent.tool_async.name(argument=...)`.

        The call has the same arguments and errors, and is recorded in the conversation in the same way, as a
        call of Strands' `agent.tool.name(...)`. A tool that runs as an activity (`activity_as_tool`,
        `TemporalTools`, an MCP tool) can only be called in this way.
        """
        return AsyncToolCaller(self)

    @override
    async def structured_output_async(self, output_model: type[T], prompt: AgentInput = None) -> T:
        """Return structured output with Strands' deprecated method. Prefer `structured_output_model=`.

        Raises:
            RuntimeError: Outside of a workflow.
        """
        check_agent_in_workflow("agent.structured_output_async(...)")
        try:
            return await super().structured_output_async(output_model, prompt)
        except Exception as error:
            mark_left_agent(error)
            raise

    @override
    def structured_output(self, output_model: type[T], prompt: AgentInput = None) -> T:
        """Refuse, as `__call__` does.

        Raises:
            SynchronousCallError: In a workflow, if anything but a conversation manager calls.
            RuntimeError: Outside of a workflow.
        """
        check_agent_in_workflow("agent.structured_output(...)")
        if is_captured():
            return super().structured_output(output_model, prompt)
        raise SynchronousCallError(
            "agent.structured_output(...) cannot run in a workflow. Give the agent structured_output_model= "
            "and write `await agent.invoke_async(...)`"
        )

    @override
    def take_snapshot(self, **kwargs: Any) -> Any:
        """Take a snapshot, for Strands' own code or for an agent with `allow_snapshots=True`.

        Raises:
            SnapshotsDisabledError: If other code calls it without that option. This error is also a
                `NotImplementedError`.
        """
        if not (self._users_may_snapshot or called_by_strands(1)):
            raise snapshots_disabled("take_snapshot")
        return super().take_snapshot(**kwargs)

    @override
    def load_snapshot(self, snapshot: Any) -> None:
        """Load a snapshot, for Strands' own code or for an agent with `allow_snapshots=True`.

        Raises:
            SnapshotsDisabledError: If other code calls it without that option. This error is also a
                `NotImplementedError`.
        """
        if not (self._users_may_snapshot or called_by_strands(1)):
            raise snapshots_disabled("load_snapshot")
        super().load_snapshot(snapshot)
