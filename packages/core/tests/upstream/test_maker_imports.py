"""Functions that make agents by name, whose module the workflow sandbox cannot load, or that do I/O."""

import asyncio
import importlib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.conversation_scenes import until
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import AgentValueError, ConversationClient, StrandsPlugin, UnloadableModuleError
from strands_temporal.testing import ScriptedModel, say

pytestmark = pytest.mark.server

AGENT = """
from strands_temporal import TemporalAgent

{top}

def support() -> TemporalAgent:
    {body}
    return TemporalAgent("m", callback_handler=None)
"""

ONCE = """
import threading
if hasattr(threading, "{name}"):
    raise ImportError("cannot load module more than once per process")
threading.{name} = True  # as an extension module notes it; the sandbox shares Python's own modules
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a user's file and imports it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(top: str = "", body: str = "pass") -> Any:
        name = f"agents_{uuid.uuid4().hex}"
        (tmp_path / f"{name}.py").write_text(AGENT.format(top=top.format(name=name), body=body))
        return importlib.import_module(name)

    return write


def rewritten(made: Any, change: Callable[[str], str]) -> str:
    """Change a module's file. Return what it was."""
    file = Path(made.__file__)
    before = file.read_text()
    file.write_text(change(before))
    return before


def plugin(made: Any) -> StrandsPlugin:
    models = {"m": lambda: ScriptedModel(lambda _: say("Hello"))}
    return StrandsPlugin(models=models, agents={"support": made.support})


async def test_a_worker_does_not_start_with_an_agent_that_no_workflow_can_make(
    client: Client, module: Any, tmp_path: Path
) -> None:
    own = module(ONCE)
    with pytest.raises(RuntimeError, match="Failed validating workflow") as failed:
        Worker(client, task_queue="none", plugins=[plugin(own)])
    cause = failed.value.__cause__
    assert isinstance(cause, UnloadableModuleError)
    assert cause.name == own.__name__
    text = str(cause)
    assert text.startswith(
        f"Agent 'support' cannot be made: {own.__name__} does not load in the workflow sandbox"
    )
    assert "ImportError: cannot load module more than once per process" in text
    assert f"{own.__name__}.py" in text
    (tmp_path / "installed.py").write_text(ONCE.format(name="installed"))
    other = module("import installed")
    with pytest.raises(RuntimeError, match="Failed validating workflow") as failed:
        Worker(client, task_queue="none", plugins=[plugin(other)])
    text = str(failed.value.__cause__)
    assert text.startswith(
        f"Agent 'support': {other.__name__} imports installed, which the workflow sandbox cannot load. "
    )
    assert "import it through the sandbox" in text


@pytest.mark.slow
async def test_a_file_that_breaks_while_the_worker_runs_holds_a_conversation_until_it_is_mended(
    agents: Agents, module: Any
) -> None:
    made = module()
    async with agents(workflows=[], plugins=[plugin(made)]) as env:
        whole = rewritten(made, lambda source: f"{source}def half(:")
        id_ = f"chat-{uuid.uuid4()}"
        chat = await ConversationClient.start(env.client, "support", id=id_, task_queue=env.task_queue)
        failures: list[str] = []

        async def has_failed() -> bool:
            events = (await chat.handle.fetch_history()).events
            failures[:] = [
                event.workflow_task_failed_event_attributes.failure.message
                for event in events
                if event.HasField("workflow_task_failed_event_attributes")
            ]
            return bool(failures)

        await until(has_failed)
        assert "Agent 'support' cannot be made" in failures[0]
        assert "SyntaxError" in failures[0]
        rewritten(made, lambda _: whole)
        assert (await asyncio.wait_for(chat.send("Hi"), 30)).text.strip() == "Hello"
        await chat.close()
        await chat.handle.result()


@pytest.mark.slow
async def test_a_function_that_does_io_ends_its_conversation_and_says_so(agents: Agents, module: Any) -> None:
    made = module(body="open('notes')")
    async with agents(workflows=[], plugins=[plugin(made)]) as env:
        with pytest.raises(
            AgentValueError, match=r"support does what the workflow sandbox refuses: Cannot access .*open "
        ):
            await asyncio.wait_for(
                ConversationClient.start(
                    env.client,
                    "support",
                    id=f"chat-{uuid.uuid4()}",
                    task_queue=env.task_queue,
                    first_message="Hi",
                ),
                30,
            )
