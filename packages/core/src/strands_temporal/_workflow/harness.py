"""`durable_harness`: AWS's batteries-included agent, `strands_harness.create_harness`, in a workflow.

This module imports strands-harness, which the extra `harness` installs. So `strands_temporal.workflow`
imports this module only when `durable_harness` is first used.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from strands.memory import ExtractionConfig, MemoryManager, MemoryStore, ModelExtractor
from strands.models.routing import ModelRouter
from strands.sandbox import Sandbox
from strands.session import SessionManager, SnapshotSessionManager
from strands.storage import Storage
from strands.vended_memory_stores.file_memory_store import FileMemoryStore
from strands.vended_plugins.skills import AgentSkills, SkillSources
from temporalio import workflow
from temporalio.exceptions import TemporalError

from .._errors import AgentTypeError, AgentValueError, MissingExtraError, coded, did_you_mean
from .._upstream.run_local import run_local
from .agent import TemporalAgent
from .agent_options import own_and_strands_parameters
from .failures import construction_error
from .harness_setup import prepare_harness
from .memory_stores import TemporalMemoryStore
from .model import TemporalModel
from .options import MODEL_SETTINGS, activity_option_names
from .sandboxes import TemporalSandbox
from .storages import TemporalStorage

try:
    from strands_harness import create_harness
    from strands_harness.defaults import DEFAULT_SKILLS_DIR
    from strands_harness.memory import MEMORY_STORE_NAME
except ImportError as error:
    raise MissingExtraError(
        coded(
            "ST102",
            "durable_harness needs the package strands-harness, which is not installed. "
            'Install it: pip install "strands-temporal[harness]"',
        )
    ) from error

prepare_harness()

_HARNESS_PARAMETERS = frozenset(
    {
        "background_tasks",
        "builtin_plugins",
        "builtin_tools",
        "context_manager",
        "instructions",
        "interventions",
        "mcp_servers",
        "plugins",
        "tools",
        # known here, so that `_check_options` can refuse them with a message of their own
        "caching",
        "effort",
    }
)


def durable_harness(
    model: TemporalModel | ModelRouter | str | None = None,
    *,
    sandbox: Sandbox | str | None = None,
    storage: Storage[Any, Any] | str | None = None,
    session: bool | str | SessionManager | None = False,
    memory: bool | str | MemoryStore | Sequence[MemoryStore | str] | MemoryManager | None = False,
    skills: bool | SkillSources | AgentSkills | None = False,
    **options: Any,
) -> TemporalAgent:
    """Return the harness agent of AWS's strands-harness, for a workflow.

    Calls `strands_harness.create_harness`: the built-in tools, plugins and context management are the same.
    `create_harness` keeps the session, memory and skills on the process's disk. `durable_harness` takes names
    of objects on the worker instead, so these three are off by default. The agent is a `TemporalAgent`.

    Args:
        model: Name of a model in `StrandsPlugin(models=...)`, a handle, or None for the plugin's default.
        sandbox: Name of a sandbox in `StrandsPlugin(sandboxes=...)`, or a handle. The tools shell, read,
            write, edit and web_fetch need it, and the environment plugin describes it.
        storage: Name of a storage in `StrandsPlugin(storages=...)`, or a handle, for the session, the memory
            and large results of tools that the context manager moves out of the conversation.
            `TemporalStorage("name").namespace("tenant")` keeps them apart from those of other tenants.
        session: True also keeps the conversation in `storage`, under the workflow's id; a string, under that
            id. Or a session manager. Two agents with one id in a workflow each need an `agent_id`.
        memory: True keeps the agent's facts in files in `storage`: one memory for all workflows on that
            storage or namespace. If two of them write under one heading at once, the later text replaces the
            earlier one. Or the name of a memory store in `StrandsPlugin(memory_stores=...)`, a store, several
            of either, or a memory manager.
        skills: True finds skills in `./.agent/skills` of the sandbox. Or what `AgentSkills` takes: paths in
            the sandbox, or `Skill` objects.
        **options: The other arguments of `create_harness` (`instructions`, `tools`, `builtin_tools`,
            `builtin_plugins`, `interventions`, `context_manager`, ...), those of `TemporalAgent` (`carry`,
            `hooks`, `name`, ...), and options of the model calls: activity options, and `streaming_topic`.
            The topic gets this agent's output, without that of its helpers and sub-agents.

    Raises:
        AgentTypeError: If an option is unknown, or would read a disk or reach a network in the workflow.
        AgentValueError: If an option has a value that cannot work, or the harness refuses it.
    """
    arguments = dict(options)
    of_model = {name: arguments.pop(name) for name in _model_options() & arguments.keys()}
    _check_options(arguments)
    durable_model = _model(model, of_model)
    durable_storage = _storage(storage)
    of_helpers = {name: value for name, value in of_model.items() if name not in _STREAMING}
    arguments.update(
        model=durable_model,
        sandbox=TemporalSandbox(sandbox) if isinstance(sandbox, str) else sandbox,
        session=_session(session, durable_storage),
        memory=_memory(memory, durable_storage, durable_model),
        skills=[DEFAULT_SKILLS_DIR] if skills is True else skills,
        caching=False,
        builtin_tools=_builtin_tools(arguments.get("builtin_tools"), of_helpers),
    )
    if durable_storage is not None:
        arguments["storage"] = durable_storage
    if isinstance(arguments.get("aux_model"), str):
        arguments["aux_model"] = TemporalModel(arguments["aux_model"], **of_helpers)
    if not workflow.in_workflow():
        raise RuntimeError(
            "durable_harness(...) makes an agent for a workflow. Outside, use strands_harness.create_harness"
        )
    run_local(_Sessions).check(session, durable_storage, arguments.get("agent_id"))
    try:
        agent = cast("TemporalAgent", create_harness(**arguments))
    except TemporalError:  # such as AgentValueError: an error that is its own cause cannot be sent
        raise
    except (TypeError, ValueError) as error:
        raise construction_error(error) from error
    run_local(_Sessions).add(session, durable_storage, agent.agent_id)
    if isinstance(durable_model, TemporalModel) and durable_model is not model:
        durable_model.stream_only_for(agent)  # its sub-agents and helpers have the same handle
    return agent


_STREAMING = frozenset({"streaming_topic", "streaming_batch_interval"})


class _Sessions:
    """The sessions that the agents of one run keep under their ids."""

    def __init__(self) -> None:
        self._kept: set[tuple[object, ...]] = set()

    def check(self, session: object, storage: object, agent_id: object) -> None:
        """Refuse a second agent that would write into the session of the first.

        Raises:
            AgentValueError: If there is one.
        """
        if self._key(session, storage, agent_id or _DEFAULT_AGENT) in self._kept:
            raise AgentValueError(
                f"durable_harness: session={session!r} is kept by another agent of this workflow with "
                f"agent_id={agent_id or _DEFAULT_AGENT!r}. Each would overwrite the other's conversation. "
                "Give each its own agent_id=, or a session id of its own: session='id'"
            )

    def add(self, session: object, storage: object, agent_id: str) -> None:
        """Remember the session of an agent."""
        if session is True or isinstance(session, str):
            self._kept.add(self._key(session, storage, agent_id))

    def _key(self, session: object, storage: object, agent_id: object) -> tuple[object, ...]:
        chosen = session_id(workflow.info().workflow_id) if session is True else session
        return (repr(storage), chosen, agent_id)


_DEFAULT_AGENT = "default"
"""Strands' id of an agent that has none (1.62: agent/agent.py:173)."""


def _model_options() -> frozenset[str]:
    return frozenset(activity_option_names() | MODEL_SETTINGS)


def _check_options(options: Mapping[str, Any]) -> None:
    known = _HARNESS_PARAMETERS | own_and_strands_parameters()
    for name in options:
        if name not in known:
            raise AgentTypeError(
                f"durable_harness: unknown option {name!r}.{did_you_mean(name, known)} Known: {sorted(known)}"
            )
    for name, harmless in (("effort", ("auto",)), ("caching", (None, False))):
        if options.get(name, harmless[0]) not in harmless:
            raise AgentValueError(
                f"durable_harness: {name}={options[name]!r} cannot change a model that the worker makes. "
                "Set it on the worker: StrandsPlugin(models={'name': lambda: resolve_model("
                f"'provider/name', '', {name}={options[name]!r})}})"
            )


def _model(model: object, options: Any) -> TemporalModel | ModelRouter:
    if isinstance(model, (TemporalModel, ModelRouter)):
        if options:
            raise AgentValueError(
                f"durable_harness: the options {sorted(options)} belong to the model calls, and "
                f"{type(model).__name__} has options of its own. Pass them there: TemporalModel(name, ...)"
            )
        return model
    if model is not None and not isinstance(model, str):
        raise AgentTypeError(
            f"durable_harness: model={model!r} is neither a name nor a handle. Write a name, and on the "
            "worker StrandsPlugin(models={'name': lambda: SomeModel(...)})"
        )
    return TemporalModel(model, **options)


def _storage(storage: object) -> Storage[Any, Any] | None:
    if storage is None or isinstance(storage, Storage):
        return cast("Storage[Any, Any] | None", storage)
    if isinstance(storage, str):
        return TemporalStorage(storage)
    raise AgentTypeError(f"durable_harness: storage={storage!r} is neither a name nor a storage")


def _needs_storage(what: str) -> AgentValueError:
    return AgentValueError(
        f"durable_harness: {what} needs a storage: write storage='name', and on the worker "
        "StrandsPlugin(storages={'name': lambda: LocalFileStorage('/data')})"
    )


def _session(session: object, storage: Storage[Any, Any] | None) -> SessionManager | bool:
    if session is None or session is False:
        return False
    if isinstance(session, SessionManager):
        return cast("SessionManager", session)
    if session is not True and not isinstance(session, str):
        raise AgentTypeError(f"durable_harness: session={session!r} is neither an id nor a session manager")
    if storage is None:
        raise _needs_storage(f"session={session!r}")
    chosen = session_id(workflow.info().workflow_id) if session is True else session
    return SnapshotSessionManager(chosen, storage=storage, save_latest_on="message")


def session_id(workflow_id: str) -> str:
    """Return the session id of a workflow: its id, with a checksum if a character had to be replaced."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", workflow_id)
    return plain if plain == workflow_id else f"{plain}-{zlib.crc32(workflow_id.encode()):08x}"


def _memory(
    memory: Any, storage: Storage[Any, Any] | None, model: TemporalModel | ModelRouter
) -> MemoryManager | dict[str, Any] | bool:
    if memory is None or memory is False:
        return False
    if isinstance(memory, MemoryManager):
        return memory
    if memory is True:
        if storage is None:
            raise _needs_storage("memory=True")
        extractor = ModelExtractor(model=model if isinstance(model, TemporalModel) else model.default_model)
        return {
            "stores": [
                FileMemoryStore(
                    name=MEMORY_STORE_NAME,
                    storage=storage,
                    writable=True,
                    extraction=ExtractionConfig(extractor=extractor),
                )
            ]
        }
    if isinstance(memory, Mapping):
        return dict(cast("Mapping[str, Any]", memory))
    several = cast("list[Any]", memory) if isinstance(memory, (list, tuple)) else [memory]
    return {"stores": [TemporalMemoryStore(one) if isinstance(one, str) else one for one in several]}


def _builtin_tools(tools: Any, options: Any) -> Any:
    """Return `builtin_tools` with a `TemporalModel` in place of the model's name for `web_fetch`."""
    fetch = cast("Any", tools).get("web_fetch") if isinstance(tools, Mapping) else None
    if not isinstance(fetch, Mapping) or not isinstance(cast("Any", fetch).get("model"), str):
        return tools
    settings = cast("dict[str, Any]", fetch)
    return {**tools, "web_fetch": {**settings, "model": TemporalModel(settings["model"], **options)}}
