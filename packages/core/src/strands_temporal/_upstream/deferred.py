"""Lets Strands' set-up of an agent wait for activities.

While an agent is built, Strands restores a session and initializes plugins, in a thread with its own event
loop (1.62: session/snapshot_session_manager.py:432, plugins/_discovery.py:101). A workflow has no thread, and
a constructor cannot wait. Here such a coroutine runs inline. If it has to wait (for a `TemporalStorage`, say)
it stops there, and continues before the agent's first turn.

Strands also saves a session synchronously in the middle of a turn, when a guardrail has redacted a message
(agent/agent.py:1872) and when the conversation was cut (:1919). Such a save continues as a task of the
workflow, and the turn ends after it.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from strands import Agent
from strands.hooks import (
    AfterInvocationEvent,
    BeforeInvocationEvent,
    BeforeMultiAgentInvocationEvent,
    HookOrder,
)
from temporalio import workflow

from .private_api import run_before_turns
from .stand_in import StandIn
from .sync_calls import PausedCoroutine, run_until_wait

T = TypeVar("T")

SETUP_CALLS = {"initialize": "agent", "call_init_method": "target"}
"""Functions of Strands that set up an agent or a team, and the local variable that holds it."""

SAVE_CALLS = {"sync_agent": "agent", "redact_latest_message": "agent"}
"""Functions of Strands that save an agent in the middle of a turn, and the local variable that holds it."""

_RESTORE = "initialize"
_SETUP = "__strands_temporal_setup__"  # on the agent itself: Python collects the two together
_SAVES = "__strands_temporal_saves__"


class WorkflowRunAsync(StandIn):
    """`run_async` in the modules of Strands whose coroutines may wait later."""

    def __call__(self, async_func: Callable[[], Awaitable[Any]]) -> Any:
        caller = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        site = caller.f_code.co_name
        if not workflow.in_workflow() or site not in SETUP_CALLS | SAVE_CALLS:
            return self._original(async_func)
        rest = run_until_wait(cast("Any", async_func()))
        if rest is None:
            return None
        owner = caller.f_locals[(SETUP_CALLS | SAVE_CALLS)[site]]
        if site in SAVE_CALLS:
            _save_in_turn(owner, rest)
        else:
            _Setup.of(owner).add(site, rest, async_func)
        return None


async def finish_setup(owner: object) -> None:
    """Run the rest of Strands' set-up of an agent or a team. Once that is done, later calls do nothing.

    Raises:
        Exception: Any exception of the set-up. The next call tries that step again.
    """
    setup: _Setup | None = getattr(owner, _SETUP, None)
    if setup is not None:
        await setup.finish()


def is_unrestored(agent: Agent) -> bool:
    """Tell whether an agent's session has not been restored yet."""
    setup: _Setup | None = getattr(agent, _SETUP, None)
    return setup is not None and any(part.site == _RESTORE for part in setup.parts)


def drop_restore(agent: Agent) -> None:
    """Do not restore an agent's session, because the agent continues from a carry."""
    setup: _Setup | None = getattr(agent, _SETUP, None)
    if setup is None:
        return
    for part in [part for part in setup.parts if part.site == _RESTORE]:
        setup.parts.remove(part)
        if part.rest is not None:
            part.rest.close()


class _Part:
    """One step of a set-up. It resumes a coroutine that stopped, or, after a failure, runs the step again."""

    def __init__(self, site: str, rest: PausedCoroutine, again: Callable[[], Awaitable[Any]]) -> None:
        self.site = site
        self.rest: PausedCoroutine | None = rest
        self._again = again

    async def run(self) -> None:
        rest, self.rest = self.rest, None
        if rest is not None:
            await rest.resume()
        else:
            await self._again()


class _Setup:
    """The remaining parts of the set-up of one agent or team, in order."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self._lock = asyncio.Lock()

    @classmethod
    def of(cls, owner: Any) -> "_Setup":
        """Return the set-up of an agent or a team. The first use adds the hook that finishes it."""
        setup: _Setup | None = getattr(owner, _SETUP, None)
        if setup is None:
            setup = cls()
            setattr(owner, _SETUP, setup)
            if isinstance(owner, Agent):
                _before_turns(owner)
            else:
                owner.hooks.add_callback(
                    BeforeMultiAgentInvocationEvent, _before_run, order=HookOrder.SDK_FIRST
                )
        return setup

    def add(self, site: str, rest: PausedCoroutine, again: Callable[[], Awaitable[Any]]) -> None:
        self.parts.append(_Part(site, rest, again))

    async def finish(self) -> None:
        async with self._lock:
            while self.parts:
                await self.parts[0].run()
                del self.parts[0]


def _before_turns(agent: Agent) -> None:
    """Finish the set-up of a plain agent before its first turn. A `TemporalAgent` does so itself."""

    async def finish() -> bool:
        restores = is_unrestored(agent)
        await finish_setup(agent)
        return restores

    # Strands' deprecated `structured_output_async` calls its hooks before it converts the prompt.
    async def before_turn(event: BeforeInvocationEvent) -> None:
        await finish_setup(event.agent)

    run_before_turns(agent, finish)
    agent.hooks.add_callback(BeforeInvocationEvent, before_turn, order=HookOrder.SDK_FIRST)


async def _before_run(event: BeforeMultiAgentInvocationEvent) -> None:
    await finish_setup(event.source)


def _save_in_turn(agent: Any, rest: PausedCoroutine) -> None:
    saves: list[asyncio.Task[None]] | None = getattr(agent, _SAVES, None)
    if saves is None:
        saves = []
        setattr(agent, _SAVES, saves)
        agent.hooks.add_callback(AfterInvocationEvent, _end_saves, order=HookOrder.SDK_FIRST)
    saves.append(asyncio.ensure_future(rest.resume()))


async def _end_saves(event: AfterInvocationEvent) -> None:
    await end_saves(event.agent)


async def end_saves(agent: Agent) -> None:
    """Wait until an agent's session is saved, if Strands saved it in the middle of the turn.

    Raises:
        Exception: What the session manager raises.
    """
    saves: list[asyncio.Task[None]] = getattr(agent, _SAVES, [])
    while saves:
        await saves.pop(0)
