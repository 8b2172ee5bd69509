"""Strands' own provider classes over real HTTP, plain and durable, against third-party emulators."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from conftest import worker_options_for
from strands import Agent
from strands.models import Model
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from integration_tests.providers.conversation import ProviderWorkflow, Talk, converse, weather
from integration_tests.providers.emulators import Emulators, emulators
from integration_tests.providers.provider_table import PROVIDERS
from strands_temporal.testing import AgentEnvironment, agent_environment

pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(600),  # the first of these tests installs the emulators
    # aimock sends this reason; Gemini itself does not.
    pytest.mark.filterwarnings("ignore:FUNCTION_CALL is not a valid FinishReason:UserWarning"),
]

ANSWER = "One, two, three, four, five, six, seven, eight, nine, ten: that is the whole answer.\n"
WEATHER = "It is 21 degrees there, says the tool.\n"


@dataclass(frozen=True)
class Case:
    """One conversation, and its expected outcome.

    Attributes:
        talk: What the user says.
        requests: Number of requests that the provider gets from the durable agent.
        text: The answer, if there is one.
        error: The kind of the final failure, if there is no answer.
        attempts: Maximum attempts of the retry policy.
        only: The providers to which the case applies; empty for all.
    """

    talk: Talk
    requests: int
    text: str = ANSWER
    error: str | None = None
    attempts: int = 4
    only: tuple[str, ...] = ()


CASES = {
    "text": Case(Talk("Say it"), 1),
    "tool loop": Case(Talk("How is the weather?"), 2, WEATHER),
    "reasoning": Case(
        Talk("Think"), 1, "The answer is 42.\n", only=tuple(n for n, p in PROVIDERS.items() if p.reasons)
    ),
    "structured output": Case(Talk("Who wrote it?", structured=True), 1, '{"name":"Ada","age":36}'),
    "throttled": Case(Talk("Throttle once"), 2),
    "throttled, to the last attempt": Case(Talk("Throttle always"), 2, error="throttled", attempts=2),
    "overflow": Case(Talk("Overflow once", turns=3), 2),
    "overflow, nothing to trim": Case(Talk("Overflow always"), 1, error="overflow"),
    "server error": Case(Talk("Fail twice"), 3),
    "server error, to the last attempt": Case(Talk("Fail always"), 3, error="failed", attempts=3),
    "server error after a tool": Case(Talk("Fail after the tool: the weather?"), 3, WEATHER),
    "overloaded": Case(Talk("Overload once"), 2, only=("anthropic",)),
    "wrong key": Case(Talk("Wrong key"), 1, error="key"),
    "forbidden": Case(Talk("Forbid"), 1, error="forbidden"),
    "unknown model": Case(Talk("Unknown model"), 1, error="unknown"),
    "cut stream": Case(Talk("Cut once"), 2),
    "cut stream, to the last attempt": Case(Talk("Cut always"), 2, error="cut", attempts=2),
    "slow stream": Case(Talk("Speak slowly"), 1),
}

IN_SILENCE = "cut without an error"
CASES[IN_SILENCE] = Case(Talk("Cut in silence"), 2, only=("bedrock",))

TABLE = [
    pytest.param(name, case_name, id=f"{case_name}-{name}")
    for case_name, case in CASES.items()
    for name in case.only or PROVIDERS
]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one conversation: answer or error, and when the provider got each request."""

    plain: Any
    durable: Any
    requests: list[datetime]
    attempts: int


class Stage:
    """Runs the conversations. Those of one case run for all providers at once: they mostly wait."""

    def __init__(self, wire: Emulators, environment: AgentEnvironment) -> None:
        self._wire = wire
        self._environment = environment
        self._seen: dict[str, dict[str, Outcome]] = {}

    async def outcome(self, case: str, name: str) -> Outcome:
        """Return the outcome of the case `case` with the provider `name`."""
        if case not in self._seen:
            names = CASES[case].only or tuple(PROVIDERS)
            outcomes = await asyncio.gather(*(self._in_both(CASES[case], case, name) for name in names))
            self._seen[case] = dict(zip(names, outcomes, strict=True))
        return self._seen[case][name]

    async def _in_both(self, case: Case, case_name: str, name: str) -> Outcome:
        """Hold one conversation plain and durable, then replay the ended workflow."""
        plain_run, durable_run = f"{case_name}, {name}, plain", f"{case_name}, {name}"
        await asyncio.gather(self._wire.expect_bedrock(plain_run), self._wire.expect_bedrock(durable_run))
        plain_model = PROVIDERS[name].make(self._wire, plain_run)
        handle = await self._environment.start(ProviderWorkflow.run, durable_run, case.talk, case.attempts)
        plain, durable = await asyncio.gather(
            in_a_plain_agent(plain_model, case), handle.result(), return_exceptions=True
        )
        await self._environment.assert_replays(handle)
        requests = await self._wire.requests(durable_run)
        return Outcome(plain, durable, requests, await activity_attempts(handle))


@pytest.fixture(scope="session")
async def stage(
    client: Client, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Stage]:
    worker_options = worker_options_for(__name__, pytestconfig)
    async with emulators(tmp_path_factory.mktemp("wiremock")) as wire:
        runs = {f"{case}, {name}": PROVIDERS[name].make for case in CASES for name in PROVIDERS}
        models = {run: partial(make, wire, run) for run, make in runs.items()}
        async with agent_environment(
            client, workflows=[ProviderWorkflow], models=models, **worker_options
        ) as environment:
            yield Stage(wire, environment)


@pytest.mark.sample(30)
@pytest.mark.parametrize(("name", "case_name"), TABLE)
async def test_a_provider_on_the_wire(stage: Stage, name: str, case_name: str) -> None:
    provider, case, seen = PROVIDERS[name], CASES[case_name], await stage.outcome(case_name, name)
    if case.error is None:
        assert not isinstance(seen.durable, BaseException), seen.durable
        assert seen.durable["text"] == case.text
        assert (seen.durable["usage"]["totalTokens"] > 0) is provider.counts
        assert (seen.durable == seen.plain) is (case_name != IN_SILENCE)
    else:
        assert isinstance(seen.durable, WorkflowFailureError)
        assert isinstance(seen.durable.cause, ApplicationError)
        assert seen.durable.cause.type == provider.errors[case.error] == type(seen.plain).__name__
        assert seen.durable.cause.message == str(seen.plain)
    assert len(seen.requests) == seen.attempts == case.requests


async def test_the_provider_says_when_to_try_again(stage: Stage) -> None:
    """Each provider asks for three seconds; Temporal's own back-off would be about one."""
    for name in PROVIDERS:
        first, second = (await stage.outcome("throttled", name)).requests
        assert second - first >= timedelta(seconds=3), name


async def test_reasoning_arrives(stage: Stage) -> None:
    for name in CASES["reasoning"].only:
        (*_, answer) = (await stage.outcome("reasoning", name)).durable["messages"]
        assert "{'reasoningContent': {'reasoningText': {'text': 'Six times seven.'" in answer, name


async def test_plain_strands_takes_what_was_cut_without_an_error_for_whole(stage: Stage) -> None:
    """boto3 does not notice that a response is shorter than its Content-Length. We retry."""
    seen = await stage.outcome(IN_SILENCE, "bedrock")
    assert (seen.plain["stop_reason"], seen.plain["text"]) == ("end_turn", "")


async def in_a_plain_agent(model: Model, case: Case) -> dict[str, Any]:
    """Return what a user of a plain agent sees who, after a failure, starts over as often as allowed."""
    for attempts_left in reversed(range(1 if case.error else case.attempts)):
        agent = Agent(model, tools=[weather], callback_handler=None, retry_strategy=None)
        try:
            return await converse(agent, case.talk)
        except Exception:
            if not attempts_left:
                raise
    raise AssertionError


async def activity_attempts(handle: WorkflowHandle[Any, Any]) -> int:
    """Return the number of attempts that the model's activities took, from the history."""
    history = await handle.fetch_history()
    return sum(
        event.activity_task_started_event_attributes.attempt
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    )
