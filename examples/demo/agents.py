"""The demo's agents: `strands-temporal dev examples/demo/agents.py` serves them, and `make demo` does so.

There is no workflow here. Each conversation with an agent by name is an `AgentWorkflow`, which calls the
function with the agent's name.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from strands import tool  # pyright: ignore[reportUnknownVariableType]  # its inputSchema is a bare dict
from strands.models import Model
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity
from temporalio.common import RetryPolicy

from strands_temporal import TemporalAgent
from strands_temporal.workflow import activity_as_tool

MODEL = "demo"

HEARTBEAT_TIMEOUT = timedelta(seconds=5)
"""How long after its last heartbeat the server takes a model call's worker for dead."""


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count how often a letter occurs in a word.

    Args:
        word: The word to look at.
        letter: One letter.
    """
    return word.lower().count(letter.lower())


@activity.defn
async def current_time(timezone: str) -> str:
    """Tell the current time in a time zone.

    Args:
        timezone: IANA name, for example `Asia/Tokyo`.
    """
    return datetime.now(ZoneInfo(timezone)).isoformat(timespec="minutes")


@activity.defn
async def delete_thing(name: str) -> str:
    """Delete a thing.

    Args:
        name: The thing's name.
    """
    return f"deleted {name}"  # a demo deletes nothing


def assistant(live: bool = True) -> TemporalAgent:
    """Answers briefly."""
    return _agent(live)


def helper(live: bool = True) -> TemporalAgent:
    """Answers briefly, uses tools, and asks a person before it deletes anything."""
    return _agent(
        live,
        tools=[letter_counter, activity_as_tool(current_time), activity_as_tool(delete_thing)],
        interventions=[HumanInTheLoop(allowed_tools=["letter_counter", "current_time"])],
    )


def _agent(live: bool, **options: Any) -> TemporalAgent:
    """Return the agent. Clients see a live one's answer as it arrives, which adds events to the history."""
    return TemporalAgent(
        model=MODEL,
        system_prompt="You are a helpful assistant. Keep your answers short.",
        streaming_topic="events" if live else None,
        streaming_batch_interval=timedelta(milliseconds=200),  # a person reads no faster
        callback_handler=None,
        start_to_close_timeout=timedelta(seconds=90),
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=RetryPolicy(maximum_attempts=5),
        **options,
    )


def _model() -> Model:
    from examples.support.model_choice import choose_model  # the workflow's sandbox needs none of it

    return choose_model().factory()


models = {MODEL: _model}
"""What `strands-temporal dev` gives its worker, unless `--model` names a stand-in."""
