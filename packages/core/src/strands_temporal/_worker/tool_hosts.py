"""Stand-ins on the worker for the agent that calls a hosted tool.

Each call gets a new stand-in, a host. It is kept after the call if a tool holds a weak reference to it.
"""

import asyncio
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, cast

from strands import Agent
from strands import ToolContext as StrandsToolContext
from strands.interrupt import Interrupt, InterruptException
from strands.models import Model
from strands.types.exceptions import ToolProviderException
from strands.types.tools import AgentTool
from temporalio import activity
from typing_extensions import override

from .._wire.tool_context import ToolContext

_IDLE_SECONDS = 600.0
"""How long a remembered host is kept after the last call of its run."""

_KEPT = 256
"""How many remembered hosts are kept. The host of the run that has been idle longest is dropped first."""


class ToolHosts:
    """Makes the host of each call. Keeps a host if a tool remembers it by a weak reference.

    Strands' `mcp_router` keeps the connections of an agent for as long as the agent lives. An agent lives in
    the workflow; its stand-in on the worker lives until its run has not called the tool for ten minutes.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._sweeping: asyncio.TimerHandle | None = None

    @contextmanager
    def host(self, name: str, tools: Mapping[str, AgentTool], context: ToolContext) -> "Generator[ToolHost]":
        """Yield the host for one call of a tool.

        Args:
            name: The name of the tools in the plugin.
            tools: The tools that the factory of that name made.
            context: The call.
        """
        info = activity.info()
        host = _host(tools, context)
        host.key = (info.namespace, info.workflow_id or "", info.workflow_run_id or "", name)
        before = weakref.getweakrefcount(host)
        try:
            yield host
        finally:
            self._note(host, remembered=weakref.getweakrefcount(host) > before)

    def clear(self) -> None:
        """Drop all hosts. Tools then release what they kept for them."""
        with self._lock:
            dropped = [kept.host for kept in self._kept.values()]
            self._kept.clear()
            if self._sweeping is not None:
                self._sweeping.cancel()
        _drop(dropped)

    def _note(self, host: "ToolHost", *, remembered: bool) -> None:
        now = time.monotonic()
        with self._lock:
            if remembered:
                self._kept[id(host)] = _Kept(host, now)
            for number, kept in list(self._kept.items()):
                if kept.host.key == host.key:
                    kept.used = now
                    self._kept.move_to_end(number)
        self._sweep()

    def _sweep(self) -> None:
        """Drop the hosts of idle runs, now and later."""
        now = time.monotonic()
        with self._lock:
            late = [number for number, kept in self._kept.items() if now - kept.used > _IDLE_SECONDS]
            late += list(self._kept)[: max(0, len(self._kept) - len(late) - _KEPT)]
            dropped = [self._kept.pop(number).host for number in dict.fromkeys(late)]
            if self._sweeping is not None:
                self._sweeping.cancel()
            oldest = min((kept.used for kept in self._kept.values()), default=None)
            if oldest is not None:
                wait = oldest + _IDLE_SECONDS - now
                self._sweeping = asyncio.get_running_loop().call_later(max(wait, 0) + 0.01, self._sweep)
        if dropped:  # a tool may take seconds to close its connections
            threading.Thread(
                target=_drop, args=(dropped,), name="strands-temporal tool hosts", daemon=True
            ).start()


class _Kept:
    def __init__(self, host: "ToolHost", used: float) -> None:
        self.host = host
        self.used = used


def _drop(hosts: "list[ToolHost]") -> None:
    """Free hosts now. They refer to themselves, so they would otherwise stay until a garbage collection."""
    while hosts:
        vars(hosts.pop()).clear()


class ToolHost(Agent):
    """The agent that a tool finds on the worker.

    All hosts of one workflow run and one name are equal: a tool that keeps something per agent, in a
    `WeakKeyDictionary` as Strands' `mcp_router` does, finds it at the next call.
    """

    asked_to_cancel: dict[str, Any] | None = None
    key: "tuple[str, ...] | None" = None

    @override
    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, ToolHost) and self.key is not None and self.key == other.key
        )

    @override
    def __hash__(self) -> int:
        return hash(self.key) if self.key else id(self)

    @override
    def cancel(self, *, message: str | None = None, after_current_tools: bool = False) -> None:
        """Cancel this agent, and record the arguments for the agent in the workflow."""
        super().cancel(message=message, after_current_tools=after_current_tools)
        self.asked_to_cancel = {"message": message, "after_current_tools": after_current_tools}


def _host(tools: Mapping[str, AgentTool], context: ToolContext) -> ToolHost:
    """Return the agent that a tool gets on the worker. It has the agent's state, without the conversation."""
    agent = ToolHost(
        model=_NoModel(), tools=list(tools.values()), state=context.agent_state, callback_handler=None
    )
    strands_context = StrandsToolContext[Any](cast("Any", context.tool_use), agent, {})
    for name, answer in context.answers.items():
        _ask(strands_context, name).response = answer  # the tool finds it when it asks
    return agent


def _ask(context: "StrandsToolContext[Any]", name: str) -> Interrupt:
    """Register an interrupt with the agent, and return the interrupt."""
    try:
        context.interrupt(name)
    except InterruptException as asked:
        return asked.interrupt
    raise RuntimeError(f"The interrupt {name!r} already has an answer")


class _NoModel(Model):
    """The model of the agent that a hosted tool gets. It refuses calls, because that agent has no model."""

    @override
    def update_config(self, **model_config: Any) -> None:
        self._refuse()

    @override
    def get_config(self) -> dict[str, Any]:
        return {}

    @override
    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        self._refuse()
        yield

    @override
    async def structured_output(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        self._refuse()
        yield

    def _refuse(self) -> NoReturn:
        raise ToolProviderException(
            "A tool hosted on the worker cannot use the agent's model. Make the tool with a model of its own "
            "in StrandsPlugin(tools=...)"
        )
