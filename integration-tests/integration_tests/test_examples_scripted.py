"""Each example without a key: what a person sees who follows its README.md."""

import re

import pytest
from packages.otel.tests.otlp_receiver import otlp_receiver

from integration_tests.readme_runs import (
    SCRIPTED,
    SECTION,
    assert_as_shown,
    example_running,
    shown_by_readme,
    typed_as_shown,
)
from integration_tests.terminals import ROOT, example_worker, terminal
from strands_temporal.testing import DevServer

pytestmark = pytest.mark.server

HERE = {
    "continue_as_new",
    "hello_world",
    "hooks",
    "models",
    "retries",
    "streaming",
    "structured_output",
    "tools",
}
ELSEWHERE = {
    "tracing",
    "mcp",
    "human_in_the_loop",
    "activity_interrupt",
    "tool_interrupt",
    "research_crew",
    "coding_agent",
    "support_desk",
}
"""Each in a test of its own: below, in its package's tests, or in test_research_crew.py, test_harness.py or
test_support_desk.py.
The demo: in test_demo_provider.py."""


@pytest.fixture
def variables(server: DevServer) -> dict[str, str]:
    return {"TEMPORAL_ADDRESS": server.address}


# Of two examples that are alike, `make test` runs one.
ALIKE = {"retries", "models", "hooks", "streaming"}


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "example",
    [pytest.param(name, marks=[pytest.mark.slow] if name in ALIKE else []) for name in sorted(HERE)],
)
async def test_the_example_shows_what_its_readme_shows(variables: dict[str, str], example: str) -> None:
    shown = shown_by_readme(example)
    async with example_running(variables, example) as (worker, client):
        assert_as_shown(await typed_as_shown(client, shown.client), shown.client)
        assert await client.exit_code() == 0
        for line in shown.worker:
            await worker.until(f"{line}\n")


def test_each_readme_with_a_section_is_followed_by_a_test() -> None:
    readmes = {path.parent.name for path in ROOT.glob("examples/*/README.md") if SECTION in path.read_text()}
    assert readmes == HERE | ELSEWHERE | {"demo"}
    workers = {path.parent.name for path in ROOT.glob("examples/*/worker.py")}
    # The last ones: in test_a2a_server.py and test_front_end_example.py.
    assert workers == HERE | ELSEWHERE | {"a2a_server", "front_end"}


def test_the_list_of_the_examples_shows_lines_of_their_readmes() -> None:
    rows = re.findall(
        r"^\| `STRANDS_TEMPORAL_MODEL=scripted python -m examples\.(\w+)\.worker` \| `(.+?)`",
        (ROOT / "examples" / "README.md").read_text(),
        re.MULTILINE,
    )
    assert {example for example, _ in rows} == HERE | ELSEWHERE
    for example, line in rows:
        assert line in shown_by_readme(example).client


async def test_tracing_shows_one_trace_and_sends_it(variables: dict[str, str]) -> None:
    shown = shown_by_readme("tracing")
    with otlp_receiver() as receiver:
        exported = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        async with example_running(variables | exported, "tracing") as (worker, client):
            seen = await client.rest()
            assert_as_shown(seen, shown.client)
            spans = await worker.until("RunWorkflow:TracingWorkflow\n")
            assert_as_shown(spans, shown.worker)
    [trace] = set(re.findall(r"\b[0-9a-f]{32}\b", seen + spans))
    sent = [span.name for span in receiver.spans if span.trace_id == trace]
    assert sorted(sent) == sorted(re.findall(rf"span of {trace}: (.+)", seen + spans))


@pytest.mark.slow
async def test_what_the_scripted_model_does_not_know_is_said_in_plain_words(
    variables: dict[str, str],
) -> None:
    async with (
        example_worker(variables | SCRIPTED, "hello_world"),
        terminal(variables, "examples.hello_world.client", "Tell me a joke.") as client,
    ):
        seen = await client.rest()
        assert await client.exit_code() == 1
    assert "The scripted model does not know what to answer to 'Tell me a joke.'" in seen
    assert "\n  What is the capital of France?\n" in seen
    assert "Traceback" not in seen
