"""The keyword arguments of `TemporalAgent`: their types, for checkers and editors, and their values.

At run time `TemporalAgent` takes any argument of the installed `strands.Agent`. A test keeps this list in
step with that class.
"""

import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal, cast

from pydantic import BaseModel
from strands import Agent, BackgroundTasksConfig, InterventionHandler, Plugin, Sandbox
from strands.agent.conversation_manager import ConversationManager
from strands.agent.state import AgentState
from strands.handlers.callback_handler import PrintingCallbackHandler
from strands.hooks import HookCallback, HookProvider
from strands.memory import MemoryManager, MemoryManagerConfig
from strands.models.routing import ModelRouter
from strands.session.session_manager import SessionManager
from strands.storage import Storage
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from strands.types.agent import ConcurrentInvocationMode
from strands.types.content import Messages, SystemContentBlock
from strands.types.traces import AttributeValue
from temporalio import workflow
from temporalio.workflow import ActivityConfig

from .._errors import AgentTypeError, AgentValueError, SnapshotsDisabledError, coded, did_you_mean
from .carry import AgentCarry
from .model import TemporalModel, as_durable_model
from .model_checks import check_router
from .options import MODEL_SETTINGS, activity_option_names

_AGENT_PARAMETERS = frozenset(inspect.signature(cast("Any", Agent.__init__)).parameters) - {"self"}
_OWN_PARAMETERS = frozenset({"allow_snapshots", "carry", "snapshots", "summary_arguments"})

_SNAPSHOT_ADVICE = (
    "Temporal's history already keeps the workflow's state, more finely than a snapshot could. "
    "To go on in another run, use agent.carry() and TemporalAgent(carry=...). To take snapshots "
    "nevertheless, for example to go back within a run, build the agent as "
    "TemporalAgent(allow_snapshots=True), formerly snapshots='allow'"
)


def own_and_strands_parameters() -> frozenset[str]:
    """Return the names of the arguments of `TemporalAgent`, except `model` and the activity options."""
    return (_AGENT_PARAMETERS | _OWN_PARAMETERS) - {"model"}


class TemporalAgentOptions(ActivityConfig, total=False):
    """Options of the model calls, and the arguments of `strands.Agent` except `model`."""

    streaming_topic: str | None
    streaming_batch_interval: timedelta
    carry: AgentCarry | None
    allow_snapshots: bool
    summary_arguments: bool
    snapshots: Literal["refuse", "allow"]  # deprecated: allow_snapshots
    messages: Messages | None
    tools: list[Any] | None
    system_prompt: str | list[SystemContentBlock] | None
    structured_output_model: type[BaseModel] | None
    callback_handler: Callable[..., Any] | None
    conversation_manager: ConversationManager | None
    record_direct_tool_call: bool
    load_tools_from_directory: bool
    trace_attributes: Mapping[str, AttributeValue] | None
    baggage_attributes: Mapping[str, str] | None
    aux_model: TemporalModel | str | None
    agent_id: str | None
    name: str | None
    description: str | None
    state: AgentState | dict[str, Any] | None
    context_manager: Any  # Strands keeps the type of this argument private
    plugins: list[Plugin] | None
    hooks: list[HookProvider | HookCallback[Any]] | None
    interventions: list[InterventionHandler] | None
    session_manager: SessionManager | None
    memory_manager: MemoryManager | MemoryManagerConfig | None
    structured_output_prompt: str | None
    tool_executor: ConcurrentToolExecutor | SequentialToolExecutor | None
    retry_strategy: None
    concurrent_invocation_mode: ConcurrentInvocationMode
    checkpointing: bool
    sandbox: Sandbox | None
    storage: Storage | None
    background_tasks: bool | BackgroundTasksConfig | None


def snapshots_allowed(options: dict[str, Any]) -> bool:
    """Remove the snapshot option from `options`, and return whether users may take snapshots of an agent.

    Raises:
        AgentTypeError: If `allow_snapshots` is not a bool, or its older form `snapshots` is not a string.
        AgentValueError: If both are given, or `snapshots` is neither "refuse" nor "allow".
    """
    if "snapshots" not in options:
        false = "only Strands' own features take snapshots"
        return _flag(options, "allow_snapshots", f"False (the default: {false}) or True")
    policy = options.pop("snapshots")
    if "allow_snapshots" in options:
        raise AgentValueError(
            f"TemporalAgent: allow_snapshots={options['allow_snapshots']!r} and snapshots={policy!r} say the "
            "same. Give allow_snapshots= only"
        )
    expected = (
        "Give allow_snapshots=True or False instead. The older form accepts snapshots='refuse' (the default: "
        "only Strands' own features take snapshots) and snapshots='allow'"
    )
    if not isinstance(policy, str):
        raise AgentTypeError(f"TemporalAgent: snapshots={policy!r} is not a string. {expected}")
    if policy not in ("refuse", "allow"):
        raise AgentValueError(f"TemporalAgent: snapshots={policy!r} is unknown. {expected}")
    return policy == "allow"


def snapshots_disabled(method: str) -> SnapshotsDisabledError:
    """Return the error for a snapshot method that users may not call."""
    return SnapshotsDisabledError(f"TemporalAgent.{method}() is not supported. {_SNAPSHOT_ADVICE}")


def summary_arguments(options: dict[str, Any]) -> bool:
    """Remove the option from `options`, and return whether summaries of tool calls show their arguments.

    Raises:
        AgentTypeError: If it is not a bool.
    """
    false = "a summary shows the tool's name"
    return _flag(options, "summary_arguments", f"False (the default: {false}) or True (also its arguments)")


def _flag(options: dict[str, Any], name: str, choices: str) -> bool:
    """Remove an option from `options`, and return its value: False if it was not given."""
    value = options.pop(name, False)
    if not isinstance(value, bool):
        raise AgentTypeError(f"TemporalAgent: {name}={value!r} is not a bool. Give {choices}")
    return value


def split_options(options: TemporalAgentOptions) -> tuple[Any, dict[str, Any]]:
    """Return the activity options and Strands' own arguments.

    Raises:
        AgentTypeError: If an option is neither an activity option nor an argument of Strands' agent.
    """
    activity_names = activity_option_names() | MODEL_SETTINGS
    activity_options = {name: value for name, value in options.items() if name in activity_names}
    agent_options = {name: value for name, value in options.items() if name not in activity_names}
    unknown = sorted(agent_options.keys() - _AGENT_PARAMETERS - _OWN_PARAMETERS)
    if unknown:
        known = sorted((_AGENT_PARAMETERS | _OWN_PARAMETERS | activity_names) - {"activity_id"})
        names, meant = ", ".join(map(repr, unknown)), "".join(did_you_mean(name, known) for name in unknown)
        raise AgentTypeError(coded("ST104", f"TemporalAgent: unknown option {names}.{meant} Known: {known}"))
    return activity_options, agent_options


def check_agent_options(options: dict[str, Any]) -> None:
    """Refuse arguments of Strands' agent that Temporal or a carry replaces, or that a replay cannot repeat.

    Raises:
        AgentValueError: If there is such an argument.
    """
    if options.get("carry") is not None and options.get("messages"):
        raise AgentValueError(
            "TemporalAgent: messages= and carry= both bring a conversation. Give messages= in the first run "
            "only"
        )
    if options.get("retry_strategy") is not None:
        raise AgentValueError(
            f"TemporalAgent: retry_strategy={options['retry_strategy']!r} cannot be used: Temporal retries "
            "model calls. Remove it (or pass None) and give retry_policy=RetryPolicy(...)"
        )
    if options.get("load_tools_from_directory"):
        raise AgentValueError(
            "TemporalAgent: load_tools_from_directory=True reads and reloads files while a workflow runs; a "
            "replay would see other tools. Import the tools and pass them in tools=[...]"
        )


def model_argument(model: object, activity_options: Any) -> Any:
    """Return the model for Strands' agent: a handle, or a router of handles.

    Raises:
        AgentTypeError: If it is a real model, or a router of real models.
        AgentValueError: If there are activity options beside a handle or a router, which have their own.
    """
    owner = "TemporalAgent(model=...)"
    if isinstance(model, (TemporalModel, ModelRouter)) and activity_options:
        raise AgentValueError(
            f"{owner}: the options {sorted(activity_options)} belong to the model calls, and "
            f"{type(model).__name__} brings its own. Give them there: TemporalModel(name, ...)"
        )
    if isinstance(model, ModelRouter):
        check_router(owner, model, TemporalModel)
        return model
    return as_durable_model(owner, model, lambda name: TemporalModel(name, **activity_options))


def default_callback_handler() -> Callable[..., None]:
    """Return Strands' default handler, but silent during a replay, which would print the same text again."""
    handler = PrintingCallbackHandler()

    def callback_handler(**kwargs: Any) -> None:
        if not (workflow.in_workflow() and workflow.unsafe.is_replaying()):
            handler(**kwargs)

    return callback_handler
