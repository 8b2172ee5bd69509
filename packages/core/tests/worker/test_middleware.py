"""Middleware around a model call on the worker: ordered by rank, once per key, only for model calls."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands.types.streaming import StreamEvent
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from strands_temporal import ComposablePlugin, StrandsPlugin, TemporalAgent
from strands_temporal._worker.middleware import compose
from strands_temporal.activity import ModelCallInterceptor, ModelRequest, ModelStream
from strands_temporal.testing import ScriptedModel, fail, say, use_tool
from strands_temporal.workflow import activity_as_tool


@dataclass
class Recording:
    """Middleware that records what passes through it."""

    key: str
    rank: int
    log: list[Any] = field(default_factory=list[Any])

    async def __call__(self, request: ModelRequest, next: ModelStream) -> AsyncIterator[StreamEvent]:
        self.log.append((self.key, "in", request.model_name))
        try:
            async for event in next(request):
                self.log.append((self.key, next_name(event)))
                yield event
        finally:
            self.log.append((self.key, "out"))


def next_name(event: StreamEvent) -> str:
    return next(iter(event))


def entered(log: Sequence[Any]) -> list[str]:
    return [entry[0] for entry in log if entry[1] == "in"]


def recording_plugin(middleware: Recording) -> ComposablePlugin:
    """Return a sibling's plugin. Each has its own class, as the Worker requires."""
    kind = type(f"Plugin{middleware.key.title()}{middleware.rank}", (ComposablePlugin,), {})
    return kind(f"test.{middleware.key}", interceptors=[ModelCallInterceptor(middleware)])


async def events_of(stream: ModelStream) -> list[StreamEvent]:
    return [event async for event in stream(ModelRequest("m", ScriptedModel(), []))]


# Composition ----------------------------------------------------------------------------------------------


async def innermost(request: ModelRequest) -> AsyncIterator[StreamEvent]:
    for event in say("hello").events:
        yield event


async def test_no_middleware_is_the_model_itself() -> None:
    assert await events_of(compose([], innermost)) == list(say("hello").events)


async def test_the_first_layer_is_outermost_and_sees_what_the_inner_ones_made() -> None:
    class Shout:
        key, rank = "shout", 0

        async def __call__(self, request: ModelRequest, next: ModelStream) -> AsyncIterator[StreamEvent]:
            async for event in next(request):
                if "contentBlockDelta" in event:
                    text = event["contentBlockDelta"]["delta"]["text"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
                    yield {"contentBlockDelta": {"delta": {"text": f"{text.upper()}!"}}}
                else:
                    yield event

    class Prefix(Shout):
        async def __call__(self, request: ModelRequest, next: ModelStream) -> AsyncIterator[StreamEvent]:
            async for event in next(request):
                if "contentBlockDelta" in event:
                    text = event["contentBlockDelta"]["delta"]["text"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
                    yield {"contentBlockDelta": {"delta": {"text": f"she said: {text}"}}}
                else:
                    yield event

    def said(events: list[StreamEvent]) -> str:
        (delta,) = [event["contentBlockDelta"] for event in events if "contentBlockDelta" in event]
        return delta["delta"]["text"]  # pyright: ignore[reportTypedDictNotRequiredAccess]

    assert said(await events_of(compose([Prefix(), Shout()], innermost))) == "she said: HELLO!"
    assert said(await events_of(compose([Shout(), Prefix()], innermost))) == "SHE SAID: HELLO!"


# In a worker ----------------------------------------------------------------------------------------------


@activity.defn
async def price(item: str) -> str:
    """Look up a price."""
    return f"{item} costs 3"


@workflow.defn
class ShoppingWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "claude", tools=[activity_as_tool(price)], retry_policy=RetryPolicy(maximum_attempts=1)
        )
        return str(await agent.invoke_async("what does tea cost?")).strip()


def shop() -> ScriptedModel:
    return ScriptedModel(use_tool("price", {"item": "tea"}), lambda call: say(call.text))


@pytest.mark.server
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)], ids=str)
async def test_rank_decides_whatever_the_order_of_plugins(agents: Agents, order: Sequence[int]) -> None:
    log: list[Any] = []
    ranked = [
        Recording("c", -5, log),
        Recording("b", 10, log),
        Recording("z", 10, log),
        Recording("a", 20, log),
    ]
    model = shop()
    plugins: list[Any] = [recording_plugin(ranked[index]) for index in order]
    plugins.insert(len(plugins) // 2, StrandsPlugin(models={"claude": lambda: model}))
    async with agents(workflows=[ShoppingWorkflow], activities=[price], plugins=plugins) as env:
        assert await env.run(ShoppingWorkflow.run) == "tea costs 3"
    # Twice, for two model calls. The middleware sees neither the tool's activity nor the replay.
    assert entered(log) == ["c", "b", "z", "a"] * 2  # equal ranks in order of keys
    assert [entry[0] for entry in log if entry[1] == "out"] == ["a", "z", "b", "c"] * 2


@pytest.mark.server
async def test_middleware_sees_the_request_and_every_event_as_the_model_sent_it(agents: Agents) -> None:
    seen = Recording("seen", 0)
    model = ScriptedModel(say("hello", chunk=1))
    plugins = [StrandsPlugin(models={"claude": lambda: model}), recording_plugin(seen)]
    async with agents(workflows=[ShoppingWorkflow], activities=[price], plugins=plugins) as env:
        assert await env.run(ShoppingWorkflow.run) == "hello"
    assert seen.log == [
        ("seen", "in", "claude"),
        ("seen", "messageStart"),
        ("seen", "contentBlockStart"),
        *[("seen", "contentBlockDelta")] * 5,  # not merged yet
        ("seen", "contentBlockStop"),
        ("seen", "messageStop"),
        ("seen", "metadata"),
        ("seen", "out"),
    ]


@pytest.mark.server
@pytest.mark.parametrize("where", ["client", "worker", "both", "both, two objects"])
async def test_the_same_key_counts_once(client: Client, worker_options: dict[str, Any], where: str) -> None:
    log: list[Any] = []
    plugin = recording_plugin(Recording("one", 0, log))
    second = recording_plugin(Recording("one", 1, log)) if where == "both, two objects" else plugin
    model = shop()
    strands_plugin = StrandsPlugin(models={"claude": lambda: model})
    on_client = Client(
        client.service_client, plugins=[strands_plugin, *([plugin] if where != "worker" else [])]
    )
    queue = f"middleware-{where}-{id(log)}"
    worker = Worker(
        on_client,
        task_queue=queue,
        workflows=[ShoppingWorkflow],
        activities=[price],
        plugins=[second] if where != "client" else [],
        **worker_options,
    )
    async with worker:
        result = await on_client.execute_workflow(ShoppingWorkflow.run, id=queue, task_queue=queue)
    assert result == "tea costs 3"
    assert entered(log) == ["one", "one"]  # two model calls


@pytest.mark.server
async def test_the_same_key_counts_once_for_interceptors_given_to_the_worker_itself(
    agents: Agents,
) -> None:
    """No plugin can skip a user's own interceptors."""
    log: list[Any] = []
    model = shop()
    twice = [ModelCallInterceptor(Recording("one", 0, log)), ModelCallInterceptor(Recording("one", 0, log))]
    async with agents(
        workflows=[ShoppingWorkflow], activities=[price], models={"claude": lambda: model}, interceptors=twice
    ) as env:
        assert await env.run(ShoppingWorkflow.run) == "tea costs 3"
    assert entered(log) == ["one", "one"]


@pytest.mark.server
async def test_middleware_ends_with_a_call_that_fails(agents: Agents) -> None:
    seen = Recording("seen", 0)
    model = ScriptedModel(fail(ValueError("refused"), after=say("hel")))
    plugins = [StrandsPlugin(models={"claude": lambda: model}), recording_plugin(seen)]
    async with agents(workflows=[ShoppingWorkflow], activities=[price], plugins=plugins) as env:
        with pytest.raises(Exception, match="Workflow execution failed") as failure:
            await env.run(ShoppingWorkflow.run)
    assert "refused" in str(failure.value.__cause__)
    assert seen.log[0] == ("seen", "in", "claude")
    assert ("seen", "contentBlockDelta") in seen.log
    assert seen.log[-1] == ("seen", "out")


@dataclass
class OnlyForModels(Recording):
    """Fails every model call. Whatever succeeds was not a model call."""

    async def __call__(self, request: ModelRequest, next: ModelStream) -> AsyncIterator[StreamEvent]:
        self.log.append(activity.info().activity_type)
        raise AssertionError("a model call")
        yield {}


@workflow.defn
class PriceWorkflow:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(price, "tea", start_to_close_timeout=timedelta(seconds=30))


@pytest.mark.server
async def test_activities_that_are_no_model_calls_are_untouched(agents: Agents) -> None:
    middleware = OnlyForModels("only", 0)
    plugins = [StrandsPlugin(models={"claude": shop}), recording_plugin(middleware)]
    async with agents(
        workflows=[PriceWorkflow, ShoppingWorkflow], activities=[price], plugins=plugins
    ) as env:
        assert await env.run(PriceWorkflow.run) == "tea costs 3"
        assert middleware.log == []
        with pytest.raises(Exception, match="Workflow execution failed"):
            await env.run(ShoppingWorkflow.run)
        assert middleware.log == ["invoke_model"]
