"""What `strands-temporal dev TARGET` serves: imports the user's module and finds what a worker registers."""

import asyncio
import importlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from strands import Agent

from .. import AgentDefinition, StrandsPlugin, TemporalAgent
from .._errors import did_you_mean
from .._upstream.private_api import activity_name, workflow_definition

WHAT_TO_WRITE = (
    "Write `def support() -> TemporalAgent: ...`, `agents = {...}`, or a workflow with `@workflow.defn`"
)


_ASYNCIO = Path(asyncio.__file__).parent


class TargetError(Exception):
    """The target cannot be served. The text says why and what to do; it may have several lines."""


@dataclass(frozen=True)
class Target:
    """Where the user's code is.

    Attributes:
        module: Name to import it by. A workflow's sandbox imports it by this name again.
        root: Folder that this name is found in.
        path: Its file, if a file was named.
        name: The one workflow or agent to serve; None for all.
    """

    module: str
    root: Path
    path: Path | None = None
    name: str | None = None

    @property
    def folder(self) -> Path:
        """The folder to watch before the module was ever imported."""
        if self.path is not None:
            return self.path.parent
        found = self.root.joinpath(*self.module.split("."))
        return found if found.is_dir() else found.parent if found.parent.is_dir() else self.root


def parse_target(text: str) -> Target:
    """Return the target that was typed: FILE.py, module, FILE.py:Name or module:Name.

    Raises:
        TargetError: If it is no file and no module name.
    """
    where, _, name = text.partition(":")
    if not where.endswith(".py") and "/" not in where:
        if not all(part.isidentifier() for part in where.split(".")):
            raise TargetError(
                f"{text!r} is neither a file, as in my_agents.py, nor a module, as in my.agents"
            )
        return Target(where, Path.cwd(), None, name or None)
    path = Path(where).resolve()
    if not path.is_file():
        raise TargetError(f"There is no file {where}.{did_you_mean(path.name, _python_files(path.parent))}")
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():  # a module of a package is imported by its dotted name
        names.insert(0, folder.name)
        folder = folder.parent
    if bad := next((part for part in names if not part.isidentifier()), None):
        raise TargetError(
            f"{where} cannot be imported: {bad!r} is not a Python name. Rename it, for example to "
            f"{''.join(c if c.isalnum() else '_' for c in bad)!r}"
        )
    return Target(".".join(names), folder, path, name or None)


def _python_files(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.py")] if folder.is_dir() else []


@dataclass(frozen=True)
class Found:
    """What the worker registers.

    Attributes:
        plugins: The module's `plugins`.
        models: The module's `models`, or None.
        workflows: Workflow classes.
        activities: Activities.
        agents: Agents by name, for `StrandsPlugin(agents=...)`.
    """

    plugins: list[Any] = field(default_factory=list[Any])
    models: Mapping[str, Any] | None = None
    workflows: list[type] = field(default_factory=list[type])
    activities: list[Callable[..., Any]] = field(default_factory=list[Callable[..., Any]])
    agents: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def strands_plugin(self) -> StrandsPlugin | None:
        """The module's own `StrandsPlugin`."""
        return next((plugin for plugin in self.plugins if isinstance(plugin, StrandsPlugin)), None)


def load(target: Target) -> Found:
    """Import the target and find what it offers.

    Raises:
        TargetError: If it cannot be imported or offers nothing.
    """
    for folder in (str(Path.cwd()), str(target.root)):  # the root comes first
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(target.module)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise TargetError(users_traceback(error)) from error  # SystemExit, too, is the user's code
    origin = getattr(module, "__file__", None)
    if target.path is not None and (origin is None or Path(origin).resolve() != target.path):
        raise TargetError(
            f"{target.path.name} cannot be imported as {target.module!r}: this name belongs to "
            f"{origin or 'a module of Python itself'}. Rename the file"
        )
    found = _find(module, target)
    if not found.workflows and not found.agents and not found.activities and found.strands_plugin is None:
        shown = target.path.name if target.path else target.module
        raise TargetError(
            f"{shown} has no agent, workflow or activity. {''.join(_near_misses(module))}{WHAT_TO_WRITE}"
        )
    return found


def users_traceback(error: BaseException) -> str:
    """Return the traceback of an error in the user's code, without the frames that imported it.

    What this package refuses (a ValueError or TypeError) has no frames of this package: the message says all.
    """
    lines = traceback.TracebackException.from_exception(error)
    own, package = Path(__file__).parent, Path(__file__).parents[1]
    last = Path(lines.stack[-1].filename) if lines.stack else own
    is_refusal = isinstance(error, ValueError | TypeError) and last.is_relative_to(package)

    def is_shown(path: Path) -> bool:
        if is_refusal and (path.is_relative_to(package) or path.parent == _ASYNCIO):
            return False
        return "importlib" not in str(path) and path.parent != own

    lines.stack[:] = [frame for frame in lines.stack if is_shown(Path(frame.filename))]
    if not lines.stack:
        return "".join(lines.format_exception_only()).rstrip()
    return "".join(lines.format()).rstrip()


def users_files(root: Path) -> list[str]:
    """Return the files below `root` that this process has imported, without those of installed packages."""
    packages = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")]
    packages.append(Path(__file__).resolve().parents[1])
    files = set[str]()
    for module in list(sys.modules.values()):
        origin = getattr(module, "__file__", None)
        if not isinstance(origin, str) or not origin.endswith(".py"):
            continue
        path = Path(origin).resolve()
        if path.is_relative_to(root) and not any(path.is_relative_to(folder) for folder in packages):
            files.add(str(path))
    return sorted(files)


def _find(module: ModuleType, target: Target) -> Found:
    shown = target.path.name if target.path else target.module
    names = vars(module)
    plugins = _listed(names, "plugins", shown) or []
    workflows = _listed(names, "workflows", shown)
    activities = _listed(names, "activities", shown)
    agents = names.get("agents")
    if agents is not None and not isinstance(agents, Mapping):
        raise TargetError(f"`agents` of {shown} is {agents!r}, not a mapping of names to functions")
    models = names.get("models")
    if models is not None and not isinstance(models, Mapping):
        raise TargetError(f"`models` of {shown} is {models!r}, not a mapping of names to factories")
    values = list(names.values())
    own = next((plugin for plugin in plugins if isinstance(plugin, StrandsPlugin)), None)
    if own is not None:
        known = cast("Mapping[str, Any]", (own.configuration or {}).get("agents") or {})
        if agents and not known:
            raise TargetError(
                f"{shown} has `agents`, and a StrandsPlugin in `plugins` without them. Write "
                "StrandsPlugin(agents=agents, ...), or leave the StrandsPlugin out"
            )
        agents = known
    found = Found(
        plugins=list(plugins),
        models=cast("Mapping[str, Any] | None", models),
        workflows=list(_workflows(values) if workflows is None else workflows),
        activities=list(_activities(values) if activities is None else activities),
        agents=dict(_makers(module) if agents is None else cast("Mapping[str, Any]", agents)),
    )
    return _chosen(found, target, shown)


def _listed(names: Mapping[str, Any], name: str, shown: str) -> "Sequence[Any] | None":
    value = names.get(name)
    if value is None or isinstance(value, ModuleType):
        return None
    if not isinstance(value, list | tuple):
        raise TargetError(f"`{name}` of {shown} is {value!r}, not a list")
    return cast("Sequence[Any]", value)


def _workflows(values: Iterable[Any]) -> list[type]:
    return list(
        dict.fromkeys(
            value
            for value in values
            if isinstance(value, type) and workflow_definition(value) is not None and not _is_ours(value)
        )
    )


def _activities(values: Iterable[Any]) -> list[Callable[..., Any]]:
    return list(
        dict.fromkeys(
            value
            for value in values
            if inspect.isroutine(value) and activity_name(value) is not None and not _is_ours(value)
        )
    )


def _makers(module: ModuleType) -> dict[str, Any]:
    return {
        name: AgentDefinition(value, description=(inspect.getdoc(value) or "").partition("\n")[0] or None)
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and _makes_an_agent(value)
    }


def _makes_an_agent(function: Callable[..., Any]) -> bool:
    returned = getattr(function, "__annotations__", {}).get("return")
    if isinstance(returned, str):  # `from __future__ import annotations`
        return returned.strip("\"'").rpartition(".")[2] == TemporalAgent.__name__
    return isinstance(returned, type) and issubclass(returned, TemporalAgent)


def _near_misses(module: ModuleType) -> Iterable[str]:
    """Yield a sentence for each thing of the module that was perhaps meant to be an agent."""
    for name, value in vars(module).items():
        if isinstance(value, Agent):
            yield f"`{name}` is an agent, and each conversation makes one of its own, in a function. "
        elif inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            returned = getattr(value, "__annotations__", {}).get("return")
            if returned is None:
                yield f"`{name}` does not say what it returns: write `-> TemporalAgent`. "
            elif returned is Agent or str(returned).rpartition(".")[2] == Agent.__name__:
                yield f"`{name}` returns a strands.Agent: return a TemporalAgent, and write so. "


def _is_ours(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0].startswith("strands_temporal")


def _chosen(found: Found, target: Target, shown: str) -> Found:
    """Keep what `:Name` chooses."""
    offered = {cls.__name__: cls for cls in found.workflows}
    if target.name is not None:
        if target.name not in {*offered, *found.agents}:
            known = sorted({*offered, *found.agents})
            raise TargetError(
                f"{shown} has no workflow or agent {target.name!r}.{did_you_mean(target.name, known)} "
                f"It has: {', '.join(known) or 'none'}"
            )
        found = Found(
            plugins=found.plugins,
            models=found.models,
            workflows=[cls for name, cls in offered.items() if name == target.name],
            activities=found.activities,
            agents={name: agent for name, agent in found.agents.items() if name == target.name},
        )
    return found
