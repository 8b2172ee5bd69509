"""Operators see a failed attempt's error, and history has all of the last attempt's."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import timedelta
from typing import Any

import pytest
import strands
from conftest import Agents
from strands.hooks import BeforeInvocationEvent
from strands.models import Model
from temporalio import activity, workflow
from temporalio.api.failure.v1 import Failure
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.testing import ActivityEnvironment

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._wire.failures import in_place_of, to_application_error
from strands_temporal._worker.model_failures import model_failure
from strands_temporal._worker.small_failures import small_failure
from strands_temporal.testing import AgentEnvironment, ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalTools, activity_as_hook, activity_as_tool

KEPT = 4096
"""Bytes that the server keeps of a pending activity's failure."""
WORDS = "the bank says no, and here is why at length. " * 250


@pytest.fixture
def refused() -> Generator[str]:
    """An address where nothing listens while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def openai(address: str) -> Model:
    from strands.models.openai import OpenAIModel

    client: Any = {"base_url": f"{address}/v1", "api_key": "k", "max_retries": 0}
    return OpenAIModel(client_args=client, model_id="gpt")


def anthropic(address: str) -> Model:
    from strands.models.anthropic import AnthropicModel

    client: Any = {"base_url": address, "api_key": "k", "max_retries": 0}
    return AnthropicModel(client_args=client, model_id="claude", max_tokens=10)


def bedrock(address: str) -> Model:
    import boto3
    from botocore.config import Config
    from strands.models.bedrock import BedrockModel

    keys: Any = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    session = boto3.Session(**keys, region_name="us-west-2")
    config = Config(retries={"total_max_attempts": 1})
    return BedrockModel(boto_session=session, endpoint_url=address, boto_client_config=config)


def fail_deep_down(words: str, depth: int = 8) -> None:
    """Raise an error with a chain of eight causes, each with its own stack trace."""
    if not depth:
        raise ConnectionError("the innermost")
    try:
        fail_deep_down(words, depth - 1)
    except Exception as error:
        raise LookupError(words if depth == 8 else f"level {depth}") from error


@activity.defn
async def pay(to: str) -> str:
    """Pay somebody."""
    fail_deep_down(f"{to}: {WORDS}")
    return "paid"


@activity.defn
async def check(to: str) -> str:
    """Stand in a hook's place."""
    fail_deep_down(f"{to}: {WORDS}")
    return "checked"


@strands.tool(name="pay")
async def hosted_pay(to: str) -> str:
    """Pay somebody."""
    fail_deep_down(f"{to}: {WORDS}")
    return "paid"


def tools_of(kind: str, policy: RetryPolicy) -> list[Any]:
    if kind == "hosted tool":
        return [TemporalTools("pay", retry_policy=policy)]
    return [activity_as_tool(pay, retry_policy=policy)] if kind == "activity tool" else []


@workflow.defn
class FailingWorkflow:
    @workflow.run
    async def run(self, kind: str, attempts: int, seconds: float, never: list[str] | None = None) -> str:
        policy = RetryPolicy(
            initial_interval=timedelta(seconds=seconds),
            maximum_attempts=attempts,
            non_retryable_error_types=never,
        )
        agent = TemporalAgent("m", callback_handler=None, retry_policy=policy, tools=tools_of(kind, policy))
        if kind == "hook":
            hook: Any = activity_as_hook(check, activity_input=lambda event: "bob", retry_policy=policy)
            agent.add_hook(hook, BeforeInvocationEvent)
        return str(await agent.invoke_async("go"))


def paying() -> Model:
    return ScriptedModel(use_tool("pay", {"to": "bob"}), lambda call: say(call.text))


async def shown(env: AgentEnvironment, kind: str) -> Failure:
    """Return the failure that the server shows for the failed attempt, while the next one waits."""
    handle = await env.start(FailingWorkflow.run, kind, 5, 5.0)
    for _ in range(1000):
        pending = (await handle.describe()).raw_description.pending_activities
        if pending and pending[0].HasField("last_failure"):
            await env.assert_replays(handle)
            await handle.terminate()
            return pending[0].last_failure
        await asyncio.sleep(0.01)
    raise AssertionError("no attempt failed")


def chain(failure: Failure) -> list[tuple[str, str]]:
    links = [(failure.application_failure_info.type, failure.message)]
    return links + (chain(failure.cause) if failure.HasField("cause") else [])


PROVIDERS: dict[str, tuple[Callable[[str], Model], str, str]] = {
    "openai": (openai, "APIConnectionError", "Connection error."),
    "anthropic": (anthropic, "APIConnectionError", "Connection error."),
    "bedrock": (bedrock, "EndpointConnectionError", "Could not connect to the endpoint URL:"),
}


@pytest.mark.server
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_provider_that_is_down_is_shown_by_its_own_message(
    agents: Agents, refused: str, provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, kind, message = PROVIDERS[provider]
    async with agents(workflows=[FailingWorkflow], models={"m": lambda: make(refused)}) as env:
        failure = await shown(env, "model")
    assert failure.application_failure_info.type == kind
    assert failure.message.startswith(message)
    assert failure.ByteSize() < KEPT
    links = chain(failure)
    assert len(set(links)) == len(links)  # no duplicates
    assert provider == "bedrock" or links[1] == ("ConnectError", "All connection attempts failed")
    assert failure.stack_trace
    assert "strands/models" in caplog.text  # the worker's log has the whole trace


@pytest.mark.server
@pytest.mark.parametrize("kind", ["activity tool", "hosted tool", "hook"])
async def test_a_tool_or_a_hook_that_fails_at_length_is_shown_by_its_own_message(
    agents: Agents, kind: str
) -> None:
    plugin = StrandsPlugin(models={"m": paying}, tools={"pay": hosted_pay})
    async with agents(workflows=[FailingWorkflow], activities=[pay, check], plugins=[plugin]) as env:
        failure = await shown(env, kind)
    assert failure.message.startswith("bob: the bank says no")
    assert failure.message.endswith(f"... ({len('bob: ' + WORDS):,} characters)")
    assert failure.application_failure_info.type == "LookupError"
    assert failure.ByteSize() < KEPT
    assert chain(failure)[1:] == [("LookupError", f"level {depth}") for depth in (7, 6, 5)]


@pytest.mark.server
@pytest.mark.parametrize(("attempts", "never"), [(2, []), (5, ["LookupError"])])
@pytest.mark.parametrize("kind", ["activity tool", "hosted tool"])
async def test_the_last_attempts_whole_text_reaches_the_model(
    agents: Agents, kind: str, attempts: int, never: list[str]
) -> None:
    plugin = StrandsPlugin(models={"m": paying}, tools={"pay": hosted_pay})
    async with agents(workflows=[FailingWorkflow], activities=[pay], plugins=[plugin]) as env:
        said = await env.run(FailingWorkflow.run, kind, attempts, 0.01, never)
    assert said.strip() == f"Error: LookupError - bob: {WORDS}".strip()


class CutModel(ScriptedModel):
    """A model whose stream ends before its message does, without an error."""

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        async for event in super().stream(*args, **kwargs):
            if "messageStop" in event:
                return
            yield event


@pytest.mark.server
async def test_what_fails_typed_already_keeps_its_type_and_message(agents: Agents) -> None:
    async with agents(workflows=[FailingWorkflow], models={"m": lambda: CutModel(say("half"))}) as env:
        with pytest.raises(WorkflowFailureError) as failed:
            await env.run(FailingWorkflow.run, "model", 1, 0.01)
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "IncompleteModelStream"
    assert "ended before its message did" in failed.value.cause.message


# --- Without a server ---------------------------------------------------------------------------------------


def caught(raising: Callable[[], object]) -> Exception:
    try:
        raising()
    except Exception as error:  # noqa: BLE001  # the test examines it
        return error
    raise AssertionError("nothing was raised")


def encoded(error: BaseException) -> Failure:
    failure = Failure()
    DefaultFailureConverter().to_failure(error, PayloadConverter.default, failure)
    return failure


async def in_activity(error: Exception, *, final: bool = False) -> ApplicationError | None:
    async def run() -> ApplicationError | None:
        return small_failure(error, final=final)

    return await ActivityEnvironment().run(run)


async def test_what_is_small_or_final_or_not_an_error_of_code_stays_as_it_is() -> None:
    assert await in_activity(ValueError("short")) is None
    assert await in_activity(caught(lambda: fail_deep_down(WORDS)), final=True) is None
    late = TemporalTimeoutError("late", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[])
    assert await in_activity(late) is None


async def test_a_small_failure_keeps_what_decides_about_the_next_attempt() -> None:
    delay = timedelta(seconds=7)
    error = ApplicationError(WORDS, {"small": 1}, type="Throttled", next_retry_delay=delay)
    small = await in_activity(error)
    assert small is not None
    assert (small.type, small.next_retry_delay, small.details) == ("Throttled", delay, ({"small": 1},))
    large = await in_activity(ApplicationError("x", {"large": WORDS}, type="T"))
    assert large is not None
    assert large.details == ()


@pytest.mark.parametrize("final", [True, False])
async def test_what_cannot_be_encoded_is_made_so_that_it_can(final: bool) -> None:
    circle, other = ValueError("a"), LookupError("b")
    circle.__cause__, other.__cause__ = other, circle
    small = await in_activity(circle, final=final)
    assert small is not None
    assert chain(encoded(small)) == [("ValueError", "a"), ("LookupError", "b")]

    odd = ValueError("cannot read")
    odd.__cause__ = OSError("caf\udce9.txt")
    small = await in_activity(odd, final=final)
    assert small is not None
    assert chain(encoded(small)) == [("ValueError", "cannot read"), ("OSError", "caf\\udce9.txt")]


def test_a_typed_failure_stands_in_the_place_of_its_error() -> None:
    error = caught(lambda: fail_deep_down("no such city", depth=2))
    failure = in_place_of(error, model_failure(error))
    assert chain(encoded(failure)) == [
        ("LookupError", "level 2"),
        ("LookupError", "level 1"),
        ("ConnectionError", "the innermost"),
    ]
    assert "fail_deep_down" in encoded(failure).stack_trace
    assert to_application_error(error) is None
    itself = ApplicationError("said", type="T")
    assert in_place_of(itself, model_failure(itself)) is itself
    assert chain(encoded(itself)) == [("T", "said")]
