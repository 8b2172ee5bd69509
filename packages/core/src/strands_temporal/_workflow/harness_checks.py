"""Refuses arguments of `create_harness` that cannot work in a workflow, and says what to write."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from strands.memory import MemoryManager
from strands.session import SessionManager

from .._errors import AgentTypeError
from .._upstream.default_sandbox import GIVE_A_HANDLE

_OWNER = "create_harness"

_WITH_SANDBOX = {
    "strands.vended_tools.shell": "shell",
    "strands_harness.tools.file_tools": "read, write and edit",
    "strands_harness.tools.web_fetch": "web_fetch",
}
"""Modules of the built-in tools that need a sandbox, and the tools' names."""


def check_harness(given: Mapping[str, Any]) -> None:
    """Refuse what would read a disk, reach a network or make a model inside the workflow.

    Args:
        given: The arguments of `create_harness` by name. `agent_kwargs` has those that `create_harness`
            passes on to `strands.Agent`.

    Raises:
        AgentTypeError: If an argument would do that.
    """
    for fault in _faults(given, given.get("agent_kwargs") or {}):
        raise AgentTypeError(f"{_OWNER}: {fault}")


def _faults(given: Mapping[str, Any], of_agent: Mapping[str, Any]) -> Iterator[str]:
    model = given.get("model")
    if model is None or isinstance(model, str):
        yield (
            f"model={model!r} would make a real model inside the workflow. Write "
            "model=TemporalModel('name'), and on the worker StrandsPlugin(models={'name': lambda: ...}); "
            "strands_harness.models.resolve_model('provider/name', '', effort='high') makes one there"
        )
    if given.get("mcp_servers"):
        yield (
            "mcp_servers= would connect to the servers from inside the workflow. Register them on the "
            "worker, MCPPlugin(mcp_clients={'name': factory}), and give "
            "tools=[TemporalMCPClient('name')], from strands_temporal_mcp; the subagent tool offers them "
            "to its agents by that name"
        )
    yield from _session_faults(given.get("session"), of_agent)
    yield from _memory_faults(given.get("memory"), of_agent)
    yield from _tool_faults(given.get("builtin_tools"))
    yield from _skill_faults(given.get("skills"), of_agent.get("sandbox"))
    policies: Any = given.get("interventions")
    for policy in policies if isinstance(policies, list) else [policies]:
        if isinstance(policy, str) and policy.strip().endswith(".cedar"):
            yield (
                f"interventions={policy!r} would be read from the worker's disk, again at each replay. Read "
                "the file when the module is imported, and give CedarAuthorization(policies=TEXT)"
            )


def _session_faults(session: Any, of_agent: Mapping[str, Any]) -> Iterator[str]:
    if of_agent.get("session_manager") is None and (session is True or isinstance(session, Mapping)):
        yield (
            f"session={session!r} would write ./.agent/sessions on the disk of whatever worker runs the "
            "workflow, again at each replay. History keeps the conversation: write session=False. For a "
            "session beside it, write session=SnapshotSessionManager('id', storage=TemporalStorage('name')), "
            "or durable_harness(..., session=True, storage='name')"
        )
    elif session is not None and not isinstance(session, (bool, Mapping, SessionManager, str)):
        yield f"session={session!r} is not a session manager"


def _memory_faults(memory: Any, of_agent: Mapping[str, Any]) -> Iterator[str]:
    if of_agent.get("memory_manager") is not None or isinstance(memory, MemoryManager):
        return
    if memory is True or (isinstance(memory, Mapping) and not cast("Any", memory).get("stores")):
        yield (
            f"memory={memory!r} would write ./.agent/memory on the disk of whatever worker runs "
            "the workflow, again at each replay. Write memory={'stores': [TemporalMemoryStore('name')]}, or "
            "memory=False"
        )


def _tool_faults(tools: Any) -> Iterator[str]:
    if not isinstance(tools, Mapping):
        return
    fetch: Any = cast("Any", tools).get("web_fetch")
    if isinstance(fetch, Mapping):
        settings = cast("Mapping[str, Any]", fetch)
        if settings.get("transport") == "direct":
            yield (
                "builtin_tools={'web_fetch': {'transport': 'direct'}} would fetch from inside the workflow, "
                "again at each replay. Leave it at 'curl', which runs in the sandbox; or host Strands' "
                "own: StrandsPlugin(tools={'web_fetch': lambda: make_web_fetch(model=SomeModel(...))}), "
                "builtin_tools={'web_fetch': False} and tools=[TemporalTools('web_fetch')]"
            )
        if isinstance(settings.get("model"), str):
            yield (
                f"builtin_tools={{'web_fetch': {{'model': {settings['model']!r}}}}} would make a real model "
                "inside the workflow. Write TemporalModel('name') there"
            )
    if cast("Any", tools).get("web_search") == "exa":
        yield (
            "builtin_tools={'web_search': 'exa'} would search from inside the workflow, again at each "
            "replay. Host it on the worker: StrandsPlugin(tools={'web_search': make_exa_web_search}), from "
            "strands_harness.tools, and give tools=[TemporalTools('web_search')]"
        )


def _skill_faults(skills: Any, sandbox: object) -> Iterator[str]:
    sources: list[Any] = cast("list[Any]", skills) if isinstance(skills, list) else [skills]
    for source in sources:
        if isinstance(source, str) and source.startswith(("https://", "http://")):
            yield (
                f"skills={source!r} would be fetched from inside the workflow, again at each replay. Fetch "
                "it when the module is imported: Skill.from_url(...), and give the Skill"
            )
        elif isinstance(source, (str, Path)) and sandbox is None:
            what = f"skills={str(source)!r}"
            yield f"{what} are read from the agent's sandbox, and it has none. {GIVE_A_HANDLE}"


def check_built_in_tools(tools: Any, sandbox: object) -> None:
    """Refuse the harness's own tools for an agent without a sandbox.

    Raises:
        AgentTypeError: If `tools` has a tool that needs a sandbox, and `sandbox` is None.
    """
    if sandbox is not None:
        return
    for tool in tools or ():
        module = str(getattr(tool, "__module__", ""))
        kind = next((names for start, names in _WITH_SANDBOX.items() if module.startswith(start)), None)
        if kind:
            raise AgentTypeError(
                f"{_OWNER}: the built-in tools {kind} work on the agent's sandbox, and it has none. "
                f"{GIVE_A_HANDLE}. Without a sandbox, leave such tools out: builtin_tools={{'*': False, "
                "'programmatic_tool_caller': True, 'subagent': True}"
            )
