"""Agents by name: what `StrandsPlugin(agents=...)` takes, and how a workflow finds it."""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from temporalio import workflow
from typing_extensions import Unpack, override

from .._errors import AgentTypeError, UnknownAgentError, did_you_mean
from .._upstream.sandbox import import_again
from .._upstream.unloadable import maker_error
from .._wire.conversations import AgentDescription
from .._wire.extras import check_extra
from .conversation_input import input_schema
from .conversation_options import ConversationOptions, settings_of
from .conversation_parts import APPROVALS
from .made_agents import MakeAgent, check_maker

EXTERN_FUNCTION = "__strands_temporal_agents"
"""Name of the function outside of the sandbox that returns the worker's agents by name."""


class AgentDefinition:
    """An agent that clients start by name: `StrandsPlugin(agents={"support": AgentDefinition(make_agent)})`.

    Args:
        make_agent: Function at the top level of a module that makes the agent, from nothing or from the
            start's `arguments`. Each workflow imports it again in its sandbox.
        description: What the agent is for. Clients see it in a list of the agents.
        **options: Options of its conversations. See `ConversationOptions`.

    Raises:
        TypeError: If `make_agent` is no function, `description` no text, or an option has a wrong type.
        ValueError: If `make_agent` cannot be imported by its name, or an option has a wrong value.
        MissingExtraError: If there is a function for `approvals`, and strands-temporal-hitl is not installed.
    """

    def __init__(
        self,
        make_agent: MakeAgent,
        *,
        description: str | None = None,
        **options: Unpack[ConversationOptions],
    ) -> None:
        check_maker("AgentDefinition", make_agent)
        _check_importable(make_agent)
        if description is not None and not isinstance(cast("object", description), str):
            raise AgentTypeError(f"AgentDefinition: description={description!r} is not text")
        if callable(settings_of("AgentDefinition", options).approvals):
            check_extra(APPROVALS, "AgentDefinition(approvals=...)")
        self.make_agent = make_agent
        self.description = description
        self.options = options

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, AgentDefinition) and vars(self) == vars(other)

    @override
    def __hash__(self) -> int:
        return hash((self.make_agent, self.description))

    @override
    def __repr__(self) -> str:
        return f"AgentDefinition({self.make_agent.__qualname__})"

    def maker(self, agent: str) -> MakeAgent:
        """Return the function that makes the agent, for the workflow that calls this.

        Args:
            agent: The agent's name, for the error.

        Raises:
            UnloadableModuleError: If its module does not load. It did when the worker started, so a file has
                changed since. The workflow's task fails, and the workflow waits for another worker.
        """
        try:
            return cast("MakeAgent", import_again(self.make_agent))
        except Exception as error:
            raise maker_error(agent, self.make_agent.__module__, error) from error

    def describe(self, name: str, client_tools: Iterable[str] = ()) -> AgentDescription:
        """Return what clients see of the agent."""
        schema = input_schema(self.options.get("input_model"))
        return AgentDescription(name, self.description, schema, sorted(client_tools))


def named_agents(agents: Mapping[str, MakeAgent | AgentDefinition] | None) -> dict[str, AgentDefinition]:
    """Return the definitions of `StrandsPlugin(agents=...)`.

    Raises:
        TypeError: If `agents` is not a mapping, or a name is not a string.
        ValueError: If a name is empty, or a function cannot be imported by its name.
    """
    if agents is None:
        return {}
    if not isinstance(cast("object", agents), Mapping):
        raise TypeError(
            f"StrandsPlugin(agents=...): {agents!r} is not a mapping. Write agents={{'support': make_agent}}"
        )
    definitions: dict[str, AgentDefinition] = {}
    for name, agent in agents.items():
        if not isinstance(cast("object", name), str):
            raise TypeError(f"StrandsPlugin(agents=...): the name {name!r} is not a string")
        if not name:
            raise ValueError("StrandsPlugin(agents=...): a name is empty")
        definitions[name] = agent if isinstance(agent, AgentDefinition) else AgentDefinition(agent)
    return definitions


def agents_of_this_worker() -> Mapping[str, AgentDefinition]:
    """Return the agents by name of the worker that runs this workflow."""
    extern = workflow.extern_functions().get(EXTERN_FUNCTION)
    return {} if extern is None else cast("Callable[[], Mapping[str, AgentDefinition]]", extern)()


def agent_named(name: str | None) -> AgentDefinition:
    """Return the definition of an agent.

    Raises:
        UnknownAgentError: If the worker has no agent of that name.
    """
    agents = agents_of_this_worker()
    if name is None:
        raise UnknownAgentError(
            f"ConversationStart: agent is not given. Name one: ConversationStart(agent=...). {_known(agents)}"
        )
    if name not in agents:
        raise UnknownAgentError(
            f"Unknown agent {name!r}.{did_you_mean(name, agents)} {_known(agents)}. Agents are registered on "
            "the worker: StrandsPlugin(agents={'name': make_agent})"
        )
    return agents[name]


def _known(agents: Mapping[str, Any]) -> str:
    return f"Known: {', '.join(sorted(agents)) or 'none'}"


def _check_importable(make_agent: MakeAgent) -> None:
    """Check that a workflow can import a function again by its module and name.

    Raises:
        ValueError: If it cannot.
    """
    module, name = getattr(make_agent, "__module__", None), getattr(make_agent, "__qualname__", None)
    found: Any = sys.modules.get(str(module))
    for part in str(name).split("."):
        found = getattr(found, part, None)
    if found is None or found != make_agent:
        kind = "a lambda" if name and "<lambda>" in name else repr(make_agent)
        raise ValueError(
            f"AgentDefinition: {kind} has no name by which a workflow could import it in its sandbox. Write "
            "a function at the top level of a module, and give that: def support() -> TemporalAgent: ..."
        )
