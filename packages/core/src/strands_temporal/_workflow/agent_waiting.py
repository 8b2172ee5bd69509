"""When an agent waits for answers to its interrupts, and when it stops."""

from strands import Agent
from strands.hooks import AfterInvocationEvent, HookOrder
from strands.types.agent import AgentInput

from .._upstream.private_api import end_waiting


def answers_interrupts(prompt: AgentInput) -> bool:
    """Tell whether a prompt answers interrupts."""
    return isinstance(prompt, list) and all("interruptResponse" in block for block in prompt)


def end_waiting_after_turns(agent: Agent) -> None:
    """Make an agent stop waiting for answers at the end of each turn without an interrupt."""
    agent.hooks.add_callback(AfterInvocationEvent, _end_waiting, order=HookOrder.SDK_FIRST)


def _end_waiting(event: AfterInvocationEvent) -> None:
    """Stop waiting for answers when a turn ended without an interrupt.

    If a turn is stopped while an approved tool runs, Strands leaves the agent waiting, and the next prompt
    would fail. This runs before session managers store the agent.
    """
    if event.result is not None and event.result.stop_reason != "interrupt":
        end_waiting(event.agent)
