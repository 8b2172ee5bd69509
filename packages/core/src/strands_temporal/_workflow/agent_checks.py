"""Checks the tools, sandbox and plugins of an agent.

Refuses what cannot work in a workflow and says what to use instead. A tool's code runs in the workflow. If it
reads a disk or a network there, it does so again at each replay, on whatever machine that replay runs.
"""

import inspect
import os
from typing import Any, cast

from strands import Agent, Sandbox
from strands.hooks import HookProvider
from strands.tools import ToolProvider
from strands.types.tools import AgentTool
from temporalio import workflow

from .._errors import AgentTypeError, coded
from .._upstream.default_sandbox import GIVE_A_HANDLE, NoSandbox, refusal, works_on_a_machine
from .._upstream.local_io import forbidden_storage, refuse
from .._upstream.private_api import activity_name
from .._upstream.strands_tools import remedy

_VENDED = "strands.vended_tools"
_VENDED_WITH_IO = frozenset({"a2a_client", "http_request", "mcp_router", "web_fetch"})
_VENDED_WITH_SANDBOX = frozenset({"file_editor", "python_repl", "shell"})
"""Packages in `strands.vended_tools` with tools that access a network or, through a sandbox, a machine."""

ACTIVITY_AS_TOOL_PATCH = "strands-temporal-activity-in-tools"
"""Patch id. In histories without it, Strands left an activity in `tools=` out, with a line in its log."""

_MADE_BY = {
    "a2a_client": "make_a2a_client(allowed_endpoints=[...])",
    "http_request": "make_http_request()",
    "mcp_router": "make_mcp_router(servers={...})",
    "web_fetch": "make_web_fetch(model=SomeModel(...))",
}
"""How the worker makes a vended tool with I/O."""

SANDBOX_PATCH = "strands-temporal-sandbox-refused"
"""Patch id. In histories without it, an agent could have one of Strands' own sandboxes; its tools failed."""


def tool_provider_hooks(tools: Any, *, sandbox: Sandbox | None) -> list[Any]:
    """Return the tool providers in `tools` that are hook providers too, and refuse what cannot work.

    Strands loads a tool provider in a thread, which a workflow does not have. A provider for workflows loads
    its tools with an activity, from a hook.

    Raises:
        AgentTypeError: If a real MCP client, a vended tool that does I/O, or a path is among the tools.
    """
    providers: list[Any] = []
    for item in _flat(tools):
        if isinstance(item, ToolProvider) and isinstance(item, HookProvider):
            if item not in providers:
                providers.append(item)
        else:
            _check_tool(item, sandbox)
    return providers


def checked_sandbox(sandbox: object) -> Sandbox:
    """Return the user's sandbox. Without one, return `NoSandbox`: Strands' default would run on the host.

    Raises:
        AgentTypeError: If it is not a `strands.Sandbox`. Also if it is one of Strands' own sandboxes or of a
            subclass, because these would run commands from inside the workflow.
    """
    if sandbox is None:
        return NoSandbox()
    if not isinstance(sandbox, Sandbox):
        raise AgentTypeError(f"TemporalAgent(sandbox=...): {sandbox!r} is not a strands.Sandbox")
    if fault := _fault_of(sandbox):
        raise AgentTypeError(f"TemporalAgent(sandbox=...): {fault}")
    return sandbox


def _fault_of(sandbox: Sandbox) -> str | None:
    """Return why a sandbox of Strands' own, or of a subclass, cannot be used in a workflow; else None."""
    kind = type(sandbox)
    return refusal(kind.__name__) if works_on_a_machine(kind) else None


def _check_tool(item: object, sandbox: Sandbox | None) -> None:
    if isinstance(item, ToolProvider) and type(item).__module__.startswith("strands.tools.mcp"):
        raise AgentTypeError(
            f"TemporalAgent(tools=...): {type(item).__name__} would talk to its server from inside the "
            "workflow. Register its factory in MCPPlugin(mcp_clients={name: factory}) on the worker and "
            "give the agent TemporalMCPClient(server=name) (both from strands_temporal_mcp)"
        )
    path: Any = cast("dict[str, Any]", item).get("path") if isinstance(item, dict) else item
    if isinstance(path, str) and (path.endswith(".py") or os.sep in path):
        raise AgentTypeError(
            f"TemporalAgent(tools=...): the path {path!r} would be read by the workflow, and a replay may "
            "find another file. Import the module, and pass it or its tools"
        )
    function = cast("Any", item)
    activity = None if isinstance(item, AgentTool) else activity_name(function)
    if activity and (not workflow.in_workflow() or workflow.patched(ACTIVITY_AS_TOOL_PATCH)):
        name = getattr(function, "__name__", activity)
        raise AgentTypeError(
            coded(
                "ST106",
                f"TemporalAgent(tools=...): {name} is an activity, which Strands would not take for a tool. "
                f"Write activity_as_tool({name}), from strands_temporal.workflow",
            )
        )
    module = _module_of(cast("object", item))
    if advice := remedy(module):
        raise AgentTypeError(f"TemporalAgent(tools=...): {advice}")
    if module == _VENDED:
        raise AgentTypeError(
            f"TemporalAgent(tools=...): {item!r} stands for all its tools, and some of them do I/O inside "
            f"the workflow. Give those you want, one by one: `from {_VENDED} import notebook, sleep`"
        )
    name = _vended(cast("object", item))
    if name in _VENDED_WITH_IO:
        raise AgentTypeError(_host_it("TemporalAgent(tools=...)", name))
    if name in _VENDED_WITH_SANDBOX:
        _check_sandboxed_tool("TemporalAgent", name, cast("object", item), sandbox)


def check_sandbox_of(agent: Agent) -> None:
    """Refuse a plain agent whose sandbox, or whose tool's sandbox, would work from inside the workflow.

    Raises:
        AgentTypeError: If there is such a sandbox.
    """
    sandbox = agent.sandbox
    if fault := _fault_of(sandbox):
        _refuse(f"Agent(sandbox=...): {fault}")
    for tool in agent.tool_registry.registry.values():
        if (name := _vended(tool)) in _VENDED_WITH_SANDBOX:
            _check_sandboxed_tool("Agent", name, tool, None if isinstance(sandbox, NoSandbox) else sandbox)


def _check_sandboxed_tool(owner: str, name: str, tool: object, sandbox: Sandbox | None) -> None:
    bound = _bound_sandbox(tool)
    if bound is not None and (fault := _fault_of(bound)):
        _refuse(f"{owner}(tools=...): {name}: {fault}")
    if bound is None and sandbox is None:
        text = (
            f"{owner}(tools=...): Strands' {name} needs a sandbox; without one it would work on the worker's "
            f"host, from inside the workflow. {GIVE_A_HANDLE}. Or host the tool itself on the worker: "
            f"StrandsPlugin(tools={{{name!r}: {name}}}) and TemporalTools({name!r})"
        )
        if owner == "TemporalAgent":  # as in all releases
            raise AgentTypeError(text)
        _refuse(text)


def _refuse(text: str) -> None:
    """Refuse something that earlier releases did not refuse. Their histories still replay."""
    if not workflow.in_workflow() or workflow.patched(SANDBOX_PATCH):
        raise AgentTypeError(text)


def _bound_sandbox(tool: object) -> Sandbox | None:
    """Return the sandbox that `make_shell(sandbox=...)` and the like bound to a tool, or None."""
    function: Any = inspect.unwrap(cast("Any", tool))
    if not inspect.isfunction(function):
        return None
    bound = inspect.getclosurevars(function).nonlocals.get("sandbox")
    return bound if isinstance(bound, Sandbox) else None


def _host_it(owner: str, name: str) -> str:
    made = _MADE_BY.get(name, f"make_{name}()")
    return coded(
        "ST204",
        f"{owner}: Strands' {name} would do its I/O inside the workflow, again at each replay. Host it on "
        f"the worker: StrandsPlugin(tools={{{name!r}: lambda: {made}}}), and give the agent "
        f"TemporalTools({name!r}) from strands_temporal.workflow; or write an activity and use "
        "activity_as_tool",
    )


def _vended(item: object) -> str:
    """Return the package in `strands.vended_tools` of a tool or a tool's module, or ""."""
    parts = _module_of(item).split(".")
    return parts[2] if parts[:2] == ["strands", "vended_tools"] and len(parts) > 2 else ""


def _module_of(item: object) -> str:
    """Return the name of a tool's module; for a module, its own name.

    Strands also accepts a module's name, "module:tool", and a dict with either as its `path`.
    """
    if isinstance(item, dict):
        item = cast("dict[str, Any]", item).get("path")
    if isinstance(item, str):
        return item.replace(":", ".")
    name = str(getattr(item, "__name__", "")) if hasattr(item, "__file__") else ""
    return name or str(getattr(item, "__module__", ""))


def _flat(items: Any) -> list[Any]:
    if isinstance(items, (list, tuple, set)):
        return [inner for item in cast("list[Any]", items) for inner in _flat(item)]
    return [] if items is None else [items]


def check_async_tools(owner: str, agent: Agent) -> None:
    """Refuse a plain agent with asynchronous tools, vended or of strands-agents-tools, that do I/O.

    The synchronous tools of strands-agents-tools are refused when Strands wants to run them in a thread.

    Args:
        owner: The place of the tools, for the message: "Agent(tools=...)".
        agent: The agent.

    Raises:
        AgentTypeError: If the agent has such a tool.
    """
    for tool in agent.tool_registry.registry.values():
        vended = _vended(tool)
        if vended in _VENDED_WITH_IO:
            raise AgentTypeError(_host_it(owner, vended))
        advice = remedy(_module_of(tool))
        if advice and inspect.iscoroutinefunction(inspect.unwrap(cast("Any", tool))):
            raise AgentTypeError(f"{owner}: {advice}")


def check_storages(owner: str, agent: Agent) -> None:
    """Refuse an agent with a storage of Strands that would read and write a disk or S3.

    Args:
        owner: The agent, for the message: "TemporalAgent".
        agent: An agent that was just built.

    Raises:
        AgentTypeError: If its session, a plugin, a memory store or the agent itself has such a storage.
    """
    if workflow.in_workflow() and (found := forbidden_storage(agent)):
        refuse(found, owner)


def check_plugins(plugins: object) -> None:
    """Refuse Strands' `LLMSteeringHandler`, and a subclass that does not override `steer_before_tool`.

    Strands' `steer_before_tool` calls the judge synchronously, which a workflow cannot do.

    Raises:
        AgentTypeError: If such a handler is among the plugins.
    """
    if not isinstance(plugins, (list, tuple)) or not plugins:
        return
    from strands.vended_plugins.steering import LLMSteeringHandler  # most agents have none

    for plugin in cast("list[Any]", plugins):
        if not isinstance(plugin, LLMSteeringHandler):
            continue
        if type(plugin).steer_before_tool is LLMSteeringHandler.steer_before_tool:  # Strands' own method
            raise AgentTypeError(
                f"TemporalAgent(plugins=...): {type(plugin).__name__} calls its judge synchronously, which "
                "a workflow cannot do. Give TemporalLLMSteeringHandler from strands_temporal.workflow, with "
                "the same arguments: its judge's call is recorded in history"
            )
