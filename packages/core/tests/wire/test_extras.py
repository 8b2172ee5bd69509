"""Names that are asked for in the wrong module, and extras that are not installed."""

import importlib
from importlib.metadata import entry_points

import pytest
from conftest import Agents
from temporalio import workflow
from temporalio.api.enums.v1 import EventType

import strands_temporal
import strands_temporal.workflow
from strands_temporal import MissingExtraError, TemporalAgent, TemporalModel
from strands_temporal._wire import extras
from strands_temporal.testing import ScriptedModel, say


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        (
            "from strands_temporal import TemporalMCPClient",
            r"TemporalMCPClient is in strands_temporal_mcp: from strands_temporal_mcp import "
            r"TemporalMCPClient\. It comes with the extra 'mcp': "
            r'pip install "strands-temporal\[mcp\]" \[ST103: docs/messages\.md#st103\]',
        ),
        (
            "from strands_temporal.workflow import Approvals",
            r"from strands_temporal_hitl import Approvals\. It comes with the extra 'hitl'",
        ),
        (
            "from strands_temporal import activity_as_tool",
            r"activity_as_tool is in strands_temporal\.workflow: from strands_temporal\.workflow import",
        ),
        (
            "from strands_temporal.workflow import TemporalAgent",
            r"TemporalAgent is in strands_temporal: from strands_temporal import TemporalAgent",
        ),
    ],
)
def test_a_name_asked_for_in_the_wrong_module_is_told_its_home(statement: str, remedy: str) -> None:
    with pytest.raises(ImportError, match=remedy):
        exec(statement, {})  # noqa: S102  # the statement that a user writes


def test_code_that_only_asks_for_a_name_gets_an_attribute_error() -> None:
    assert not hasattr(strands_temporal, "TemporalMCPClient")
    assert getattr(strands_temporal, "activity_as_tool", None) is None
    assert not hasattr(strands_temporal, "__no_such_thing__")
    assert not hasattr(strands_temporal.workflow, "nothing_like_it")


def test_each_name_is_public_in_the_package_it_is_said_to_be_in() -> None:
    for extra, names in extras.NAMES.items():
        public = importlib.import_module(f"strands_temporal_{extra}").__all__
        assert set(names) <= set(public)
        assert {
            entry.value.partition(":")[2] for entry in entry_points(group=extras.GROUP, name=extra)
        } <= set(names)


@workflow.defn
class Streams:
    @workflow.run
    async def run(self, elsewhere: bool) -> str:
        if elsewhere:  # the model's own worker needs the extra, and this one does not
            TemporalModel("m", streaming_topic="events", task_queue="gpu")
        return str(
            await TemporalAgent("m", streaming_topic=None if elsewhere else "events").invoke_async("Hi")
        )


@pytest.fixture
def no_streaming(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def nothing(extra: str) -> None: ...

    monkeypatch.setattr(extras, "_entry_point", nothing)
    return monkeypatch


@pytest.mark.server
async def test_a_run_that_streams_waits_for_a_worker_with_the_extra(
    agents: Agents, no_streaming: pytest.MonkeyPatch
) -> None:
    async with agents(workflows=[Streams], models={"m": lambda: ScriptedModel(say("Hi"))}) as env:
        handle, failure = await env.start(Streams.run, False), ""
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failure = event.workflow_task_failed_event_attributes.failure.message
                break
            assert event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        assert "needs the package strands-temporal-streaming, which is not installed" in failure
        assert 'pip install "strands-temporal[streaming]" [ST102: docs/messages.md#st102]' in failure
        await handle.terminate()
        assert await env.run(Streams.run, True) == "Hi\n"


def test_an_extra_that_is_installed_is_loaded(no_streaming: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingExtraError, match=r"X needs the package strands-temporal-streaming"):
        extras.load_extra("streaming", "X")
    no_streaming.undo()
    assert extras.load_extra("streaming", "X").__name__ == "StreamingPlugin"
