"""`make demo` with other models: tool calls, an approval and failures, which the small model cannot give."""

import re

import pytest

from integration_tests.demo_process import DEMO_MARKS, running_demo
from integration_tests.openai_stand_in import openai_provider
from integration_tests.terminals import ROOT
from strands_temporal.testing import DevServer

pytestmark = [*DEMO_MARKS, pytest.mark.slow]

DEMO_README = ROOT / "examples" / "demo" / "README.md"


async def test_a_model_that_calls_tools_shows_them_and_an_approval(server: DevServer) -> None:
    async with running_demo(STRANDS_TEMPORAL_MODEL="scripted", TEMPORAL_ADDRESS=server.address) as demo:
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
    assert "a chat with a scripted model" in seen
    assert "a scripted model, which is not a real one" in " ".join(seen.split())
    [shown] = [
        block.splitlines() for block in re.findall(r"```text\n(.*?)```", DEMO_README.read_text(), re.DOTALL)
    ]
    assert len(shown) == 6
    for line in shown:
        assert _alike(line) in _alike(" ".join(seen.split()))
    assert re.search(r"helper-\w+  StrandsAgentWorkflow  completed", seen)
    assert "The server keeps the history for a while" in seen


def _alike(text: str) -> str:
    return re.sub(r"pid \d+|[\d-]+T\d\d:\d\d|\d+\.\d s|after \S+ had", "…", text)


async def test_a_refused_key_is_said_in_one_line() -> None:
    with openai_provider(lambda _: [], key="right") as provider:
        variables = {**provider, "STRANDS_TEMPORAL_MODEL": "some-model", "OPENAI_API_KEY": "wrong"}
        async with running_demo(**variables) as demo:
            seen = " ".join((await demo.read()).split())
            assert await demo.exit_code() == 1, seen
            await demo.assert_nothing_left()
    assert "✘ The demo did not do what it promises. No answer to 'What is the capital of France?'" in seen
    assert "Incorrect API key" in seen
    assert "STRANDS_TEMPORAL_MODEL=local runs the demo with a small model on this machine." in seen
    assert "Traceback" not in seen
