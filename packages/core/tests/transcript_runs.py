"""For the tests of transcripts: workers that come and go, and checks that no prompt changes thereby.

The checks compare the model's input, call by call, with that of the same agents outside Temporal.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, NamedTuple

from packages.core.tests.transcript_scenes import (
    SCENES,
    Plan,
    Talk,
    answer,
    ends,
    fetch_activity,
    window,
)
from strands import Agent
from temporalio import activity
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    WorkflowHandle,
    WorkflowHistory,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal._wire.model_call import MODEL_ACTIVITY, TRANSCRIPT_QUERY
from strands_temporal._wire.values import encode
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, assert_replays

SOON = 120
"""Longest time that a test waits for a workflow, in seconds."""


class Told(NamedTuple):
    """A model's input in one call: the calling agent, and the whole input as JSON."""

    agent: str
    given: str


def told(calls: Iterable[ScriptedCall]) -> list[Told]:
    """Return a model's input, call by call."""
    return [
        Told(
            call.system_prompt or "",
            # The order of keys matters as well: a provider's prompt cache compares bytes.
            json.dumps(
                encode([call.messages, call.tool_specs, call.system_prompt_content, call.tool_choice])
            ),
        )
        for call in calls
    ]


async def plainly(plan: Plan) -> tuple[list[Told], dict[str, str]]:
    """Run a plan outside Temporal; return the model's input and the final conversations."""
    model = ScriptedModel(answer)

    def make(who: str, **arguments: Any) -> Agent:
        return Agent(
            model,
            system_prompt=f"{who}{plan.tag}",
            callback_handler=None,
            conversation_manager=window(plan),
            retry_strategy=None,
            **arguments,
        )

    agents = await SCENES[plan.scene](make, replace(plan))
    return told(model.calls), ends(agents)


def assert_same(given: Sequence[Told], plain: Sequence[Told], *, retried: bool = False) -> None:
    """Compare a model's input with the input outside Temporal, in order for each agent.

    Args:
        given: The model's input.
        plain: Its input outside Temporal.
        retried: Whether calls may have been repeated with the same content.
    """
    for agent in {call.agent for call in plain}:
        here = [call.given for call in given if call.agent == agent]
        there = [call.given for call in plain if call.agent == agent]
        if retried:
            here = [call for i, call in enumerate(here) if i == 0 or call != here[i - 1]]
        assert len(here) == len(there), f"{agent} made {len(here)} calls, outside of Temporal {len(there)}"
        for i, (mine, outside) in enumerate(zip(here, there, strict=True)):
            at = next((n for n, pair in enumerate(zip(mine, outside, strict=False)) if len(set(pair)) > 1), 0)
            ours, plain_one = mine[at:][:200], outside[at:][:200]
            assert mine == outside, f"{agent}, call {i}, at {at}: {ours!r}, outside of Temporal {plain_one!r}"


# --- Workers that come and go


class Asked(NamedTuple):
    """A query for a conversation."""

    agent: int
    call: int
    page: int
    attempt: int


@dataclass
class Watch(Interceptor):
    """Observes a worker's queries for conversations, and can fail or delay them.

    Attributes:
        before: Awaited before each query goes out.
        asked: The queries, in order.
        seconds: Durations of the answered queries.
        failed: Errors of the other queries.
    """

    before: Callable[[Asked], Awaitable[None]] | None = None
    asked: list[Asked] = field(default_factory=list[Asked])
    seconds: list[float] = field(default_factory=list[float])
    failed: list[str] = field(default_factory=list[str])

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Watched(next, self)

    def __str__(self) -> str:
        took = sorted(self.seconds) or [0.0]
        half, most = took[len(took) // 2], took[len(took) * 95 // 100]
        return (
            f"{len(self.asked)} queries, {len(self.failed)} failed; seconds: half in {half:.3f}, "
            f"95 % in {most:.3f}, all in {took[-1]:.3f}"
        )


class _Watched(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, watch: Watch) -> None:
        super().__init__(next)
        self._watch = watch

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        if input.query != TRANSCRIPT_QUERY:
            return await super().query_workflow(input)
        agent, call, page = input.args[:3]
        asked = Asked(agent, call, page, activity.info().attempt)
        self._watch.asked.append(asked)
        began = asyncio.get_running_loop().time()
        try:
            if self._watch.before is not None:
                await self._watch.before(asked)
            page = await super().query_workflow(input)
        except Exception as error:
            self._watch.failed.append(repr(error))
            raise
        self._watch.seconds.append(asyncio.get_running_loop().time() - began)
        return page


def _connected(client: Client, *interceptors: Interceptor) -> Client:
    """Return a client on another client's connection, with the plugin's converter."""
    return Client(
        client.service_client,
        namespace=client.namespace,
        data_converter=pydantic_data_converter,
        interceptors=interceptors,
    )


class Runs:
    """Runs of `Talk` on one task queue. Its workers come and go, each with its own plugin and cache.

    Args:
        client: Client without plugins.
        options: Worker options of the test run.
        script: The model's answers.
    """

    def __init__(
        self, client: Client, options: dict[str, Any], script: Callable[[ScriptedCall], Reply] = answer
    ) -> None:
        self.client = _connected(client)
        self.queue = f"transcripts-{uuid.uuid4()}"
        self.model = ScriptedModel(script)
        self._options = options

    @asynccontextmanager
    async def worker(
        self,
        watch: Watch | None = None,
        *,
        cache: int | None = None,
        model: ScriptedModel | None = None,
        client: Client | None = None,
        **options: Any,
    ) -> AsyncGenerator[Watch]:
        """Run a worker; yield the `Watch` on its queries.

        Args:
            watch: An existing `Watch` to use.
            cache: Size of the worker's cache for conversations, in bytes; None for the default.
            model: A model of the worker's own.
            client: Another client to use.
            **options: Further arguments of `Worker`.
        """
        watch = watch or Watch()
        client = _connected(client or self.client, watch)
        sizes: Any = {} if cache is None else {"max_cached_transcript_bytes": cache}
        plugin = StrandsPlugin(models={"m": lambda: model or self.model}, **sizes)
        arguments: dict[str, Any] = {
            "workflows": [Talk],
            "activities": [fetch_activity],
            "max_concurrent_activities": 500,
            **self._options,
            **options,
        }
        if not arguments["workflows"]:
            arguments = {key: arguments[key] for key in arguments if not key.startswith("workflow_runner")}
        async with Worker(client, task_queue=self.queue, plugins=[plugin], **arguments):
            yield watch

    async def start(self, plan: Plan, **options: Any) -> "WorkflowHandle[Any, Any]":
        """Start a run."""
        return await self.client.start_workflow(
            Talk.run,
            plan,
            id=f"{self.queue}-{uuid.uuid4()}",
            task_queue=self.queue,
            execution_timeout=timedelta(minutes=3),
            **options,
        )

    async def check(
        self,
        handle: "WorkflowHandle[Any, Any]",
        plan: Plan,
        *,
        retried: bool = False,
        others: Sequence[Told] = (),
    ) -> WorkflowHistory:
        """Wait for a run's end. Assert that everything was as outside Temporal, and that the run replays."""
        result = await asyncio.wait_for(handle.result(), SOON)
        calls, end = await plainly(plan)
        assert_same([*others, *told(self.model.calls)], calls, retried=retried)
        assert result == end
        history = await handle.fetch_history()
        await assert_replays(history, [Talk])
        return history


def sent(history: WorkflowHistory) -> list[int]:
    """Return the bytes of each model call in a history."""
    scheduled = [event.activity_task_scheduled_event_attributes for event in history.events]
    return [s.input.ByteSize() for s in scheduled if s.activity_type.name == MODEL_ACTIVITY]


def answered(history: WorkflowHistory) -> int:
    """Return the bytes of all results of activities in a history."""
    return sum(event.activity_task_completed_event_attributes.result.ByteSize() for event in history.events)
