"""`make demo` with other models: tool calls and failures, which the small model cannot give."""

import json
import re
import signal
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

from integration_tests.demo_process import DEMO_MARKS, running_demo
from integration_tests.openai_stand_in import Deltas, openai_provider, tool_call
from integration_tests.terminals import ROOT

pytestmark = DEMO_MARKS

DEMO_README = ROOT / "examples" / "demo" / "README.md"


@dataclass
class Provider:
    """A provider that knows the demo's questions.

    Attributes:
        variables: The environment variables that point to it.
        go_on: An answer with a poem stops in the middle until this is set.
    """

    variables: dict[str, str] = field(default_factory=dict[str, str])
    go_on: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: dict[str, Any]) -> Deltas:
        last = request["messages"][-1]
        if last["role"] == "tool":
            return [{"content": "Three, and it is late there."}]
        asked = json.dumps(last)
        if "Use your tools" in asked:
            letters = tool_call(0, "letter_counter", {"word": "strawberry", "letter": "r"})
            return [
                {"tool_calls": [letters]},
                {"tool_calls": [tool_call(1, "current_time", {"timezone": "UTC"})]},
            ]
        if "poem" in asked:
            return self._poem()
        return [{"content": "An answer."}]

    def _poem(self) -> Generator[dict[str, Any]]:
        yield {"content": "Roses are "}
        yield {"content": "red, vio"}
        self.go_on.wait(60)
        yield {"content": "lets "}
        yield {"content": "are blue."}


@pytest.fixture
def provider() -> Generator[Provider]:
    provider = Provider()
    with openai_provider(provider.answer, key="right") as variables:
        provider.variables = {**variables, "STRANDS_TEMPORAL_MODEL": "some-model"}
        yield provider
        provider.go_on.set()


@pytest.mark.slow
async def test_a_model_that_calls_tools_gets_a_tool_turn() -> None:
    async with running_demo(keyboard="none", STRANDS_TEMPORAL_MODEL="scripted") as demo:
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
    assert "a chat with a scripted model" in seen
    assert "a scripted model, which is not a real one" in " ".join(seen.split())
    [shown] = [
        block.splitlines() for block in re.findall(r"```text\n(.*?)```", DEMO_README.read_text(), re.DOTALL)
    ]
    assert len(shown) == 5
    for line in shown:
        assert _alike(line) in _alike(" ".join(seen.split()))


def _alike(text: str) -> str:
    return re.sub(r"pid \d+|[\d-]+T\d\d:\d\d", "…", text)


@pytest.mark.slow
async def test_an_answer_is_seen_while_it_arrives_and_starts_again_after_a_kill(provider: Provider) -> None:
    async with running_demo(
        keyboard="terminal", CHAT="1", TERM="xterm", HEARTBEAT_TIMEOUT="2", **provider.variables
    ) as demo:
        await demo.read("you ▸ ")
        demo.type("A poem, please.\n")
        await demo.read(r"agent ▸ Roses are")  # the model waits in the middle of the answer
        demo.type("/kill\n")
        await demo.read(r"(?s)worker-2 .*is ready.*starts again.*agent ▸ Roses are")
        provider.go_on.set()
        await demo.read(r"(?s)starts again.*you ▸ ")
        demo.type("Use your tools.\n")
        await demo.read(r"(?s)late there.*you ▸ ")
        demo.type("/quit\n")
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
    assert re.search(r"(?m)^agent ▸ Roses are red, violets are blue\.  \d+\.\d s$", seen)
    assert seen.count("are blue.") == 1
    assert seen.count("starts again") == 1
    assert "uses letter_counter" in seen
    assert "uses current_time" in seen
    assert len(re.findall(r"(?m)^agent ▸ Three, and it is late there\.  \d+\.\d s$", seen)) == 1


@pytest.mark.slow
async def test_ctrl_c_in_the_middle_of_an_answer_that_starts_again(provider: Provider) -> None:
    async with running_demo(keyboard="pipe", CHAT="1", HEARTBEAT_TIMEOUT="2", **provider.variables) as demo:
        await demo.read("you ▸ ")
        demo.type("/kill A poem, please.\n")
        await demo.read(r"(?s)SIGKILL: worker-1.*starts again.*agent ▸ Roses are")
        demo.process.send_signal(signal.SIGINT)
        seen = await demo.read()
        assert await demo.exit_code() == 130, seen
        await demo.assert_nothing_left()
    assert "Ended. Nothing of it runs any more." in seen
    assert "Traceback" not in seen


@pytest.mark.slow
async def test_a_refused_key_is_said_in_one_line(provider: Provider) -> None:
    variables = provider.variables | {"OPENAI_API_KEY": "wrong"}
    async with running_demo(keyboard="none", **variables) as demo:
        seen = " ".join((await demo.read()).split())
        assert await demo.exit_code() == 1, seen
        await demo.assert_nothing_left()
    assert "✘ The demo did not do what it promises. No answer to 'What is the capital of France?'" in seen
    assert "Incorrect API key" in seen
    assert "STRANDS_TEMPORAL_MODEL=local runs the demo with a small model on this machine." in seen
    assert "Traceback" not in seen
