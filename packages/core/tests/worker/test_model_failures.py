"""The classification of a provider's failure: its type, and whether another attempt may help."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    EventStreamError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
    ReadTimeoutError,
)
from botocore.response import StreamingBody
from packages.core.tests.worker.provider_errors import (
    FINAL,
    REQUEST,
    RETRY,
    anthropic_error,
    bedrock_error,
    failure_of,
    gemini_error,
    http_error,
    json_error,
    ollama_error,
    openai_error,
    response,
    throttled,
)
from strands.models.anthropic import AnthropicModel
from strands.types.content import Messages
from strands.types.exceptions import ContextWindowOverflowException
from strands.types.streaming import StreamEvent
from temporalio.exceptions import ApplicationError, FailureError

from strands_temporal._worker.model_failures import INCOMPLETE_STREAM, model_failure, require_complete

HELLO: Messages = [{"role": "user", "content": [{"text": "hello"}]}]

STATUSES = {
    400: FINAL,
    401: FINAL,
    403: FINAL,
    404: FINAL,
    408: RETRY,
    409: RETRY,
    422: FINAL,
    425: RETRY,
    429: RETRY,
    500: RETRY,
    502: RETRY,
    503: RETRY,
    529: RETRY,
}


@pytest.mark.parametrize(("status", "non_retryable"), STATUSES.items())
@pytest.mark.parametrize(
    "make",
    [
        http_error,
        openai_error,
        anthropic_error,
        gemini_error,
        ollama_error,
        partial(bedrock_error, "SomeException"),
    ],
    ids=["httpx", "openai", "anthropic", "gemini", "ollama", "botocore"],
)
def test_an_http_status_decides(make: Callable[[int], Exception], status: int, non_retryable: bool) -> None:
    error = make(status)
    failure = failure_of(error)
    assert failure.non_retryable is non_retryable
    assert failure.type == type(error).__name__
    assert failure.message == str(error)
    assert failure.next_retry_delay is None


@pytest.mark.parametrize(
    ("error", "type_", "non_retryable"),
    [
        (openai_error(401), "AuthenticationError", FINAL),
        (openai_error(403), "PermissionDeniedError", FINAL),
        (openai_error(404), "NotFoundError", FINAL),
        (openai_error(429), "RateLimitError", RETRY),
        (openai_error(500), "InternalServerError", RETRY),
        (openai.APIConnectionError(request=REQUEST), "APIConnectionError", RETRY),
        (openai.APITimeoutError(request=REQUEST), "APITimeoutError", RETRY),
        # The SDK's error for an error event inside a stream.
        (openai.APIError("server had an error", REQUEST, body=None), "APIError", RETRY),
        (anthropic_error(400), "BadRequestError", FINAL),
        (anthropic_error(401), "AuthenticationError", FINAL),
        (anthropic_error(429), "RateLimitError", RETRY),
        (anthropic_error(500), "InternalServerError", RETRY),
        (anthropic_error(529), "OverloadedError", RETRY),
        (anthropic.APIConnectionError(request=REQUEST), "APIConnectionError", RETRY),
        (anthropic.APITimeoutError(request=REQUEST), "APITimeoutError", RETRY),
        (bedrock_error("ThrottlingException", 429), "ClientError", RETRY),
        (bedrock_error("ValidationException", 400), "ClientError", FINAL),
        (bedrock_error("AccessDeniedException", 403), "ClientError", FINAL),
        (bedrock_error("ServiceUnavailableException", 503), "ClientError", RETRY),
        (EndpointConnectionError(endpoint_url="https://x"), "EndpointConnectionError", RETRY),
        (ConnectTimeoutError(endpoint_url="https://x"), "ConnectTimeoutError", RETRY),
        (ReadTimeoutError(endpoint_url="https://x"), "ReadTimeoutError", RETRY),
        (ollama.ResponseError("model not found", 404), "ResponseError", FINAL),
        (ollama.ResponseError("busy", 503), "ResponseError", RETRY),
        (httpx.ConnectError("no route"), "ConnectError", RETRY),
        (httpx.ReadTimeout("slow"), "ReadTimeout", RETRY),
        (httpx.ReadError("cut"), "ReadError", RETRY),
        (httpx.RemoteProtocolError("peer closed connection"), "RemoteProtocolError", RETRY),
        (ConnectionResetError("reset"), "ConnectionResetError", RETRY),
        (BrokenPipeError("pipe"), "BrokenPipeError", RETRY),
        (TimeoutError("slow"), "TimeoutError", RETRY),
        (json_error(), "JSONDecodeError", RETRY),
        (RuntimeError("anything"), "RuntimeError", RETRY),
        (ValueError("bad value"), "ValueError", FINAL),
        (KeyError("choices"), "KeyError", FINAL),
        (TypeError("bad call"), "TypeError", FINAL),
        (AttributeError("no such"), "AttributeError", FINAL),
        (ImportError("no SDK"), "ImportError", FINAL),
        (AssertionError("script over"), "AssertionError", FINAL),
        (ZeroDivisionError("0"), "ZeroDivisionError", FINAL),
        (NotImplementedError("no"), "NotImplementedError", FINAL),
    ],
    ids=lambda value: f"{type(value).__module__}-{value!r}"[:60] if isinstance(value, Exception) else None,
)
def test_errors_of_providers_and_of_python(error: Exception, type_: str, non_retryable: bool) -> None:
    failure = failure_of(error)
    assert failure.type == type_
    assert failure.non_retryable is non_retryable
    assert failure.message == str(error)


async def test_a_connection_that_breaks_in_mid_stream_is_tried_again() -> None:
    class Cut(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b'{"half": '
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Cut()))
    async with httpx.AsyncClient(transport=transport) as client:
        request = client.build_request("GET", "https://provider.example")
        streamed = await client.send(request, stream=True)
        with pytest.raises(httpx.RemoteProtocolError) as raised:
            await streamed.aread()
    assert failure_of(raised.value).non_retryable is RETRY


STARTED = (
    '{"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [], '
    '"model": "m", "stop_reason": null, "stop_sequence": null, '
    '"usage": {"input_tokens": 1, "output_tokens": 1}}}'
)
BROKEN = '{"type": "error", "error": {"type": "%s", "message": "no"}}'


@pytest.mark.parametrize("kind", ["overloaded_error", "api_error", "rate_limit_error"])
async def test_an_error_event_in_an_anthropic_stream_is_tried_again(kind: str) -> None:
    """The SDK raises it with the stream's own status, 200."""
    stream = f"event: message_start\ndata: {STARTED}\n\nevent: error\ndata: {BROKEN % kind}\n\n"
    answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, text=stream, request=REQUEST)
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as http:
        client_args = {"api_key": "none", "http_client": http, "max_retries": 0}
        model = AnthropicModel(model_id="m", max_tokens=9, client_args=client_args)
        with pytest.raises(anthropic.APIStatusError) as raised:
            await anext(event async for event in model.stream(HELLO) if "metadata" in event)
    assert raised.value.status_code == 200
    assert failure_of(raised.value).non_retryable is RETRY


async def test_an_anthropic_stream_that_ends_early_is_incomplete() -> None:
    """Strands' model ends without a `messageStop`, as with boto3 if a body is shorter than announced."""
    events: list[StreamEvent] = []
    stream = f"event: message_start\ndata: {STARTED}\n\n"
    answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, text=stream, request=REQUEST)
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as http:
        client_args = {"api_key": "none", "http_client": http, "max_retries": 0}
        model = AnthropicModel(model_id="m", max_tokens=9, client_args=client_args)
        events += [event async for event in model.stream(HELLO)]
    with pytest.raises(ApplicationError, match="ended before its message did") as raised:
        require_complete(events)
    assert raised.value.type == INCOMPLETE_STREAM
    assert raised.value.non_retryable is RETRY
    assert model_failure(raised.value) is raised.value


@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"messageStart": {"role": "assistant"}}, {"messageStop": {"stopReason": "end_turn"}}],
        [{"contentBlockDelta": {"delta": {"text": "a model of the user's own"}}}],
    ],
)
def test_a_stream_is_whole_when_its_message_ended_or_never_began(events: list[StreamEvent]) -> None:
    require_complete(events)


def test_an_error_in_an_ollama_stream_is_tried_again() -> None:
    error = ollama.ResponseError("llama runner process has terminated")
    assert error.status_code == -1
    assert failure_of(error).non_retryable is RETRY


@pytest.mark.parametrize(
    "code", ["validationException", "accessDeniedException", "resourceNotFoundException"]
)
def test_a_final_error_event_in_a_bedrock_stream_is_final(code: str) -> None:
    parsed: Any = {"Error": {"Code": code, "Message": "no"}}
    assert failure_of(EventStreamError(parsed, "ConverseStream")).non_retryable is FINAL


@pytest.mark.parametrize(
    "error",
    [
        ParamValidationError(report="Invalid type"),
        NoCredentialsError(),
        NoRegionError(),
        ProfileNotFound(profile="x"),
    ],
    ids=repr,
)
def test_what_botocore_refuses_before_it_calls_is_final(error: Exception) -> None:
    assert failure_of(error).non_retryable is FINAL


def test_an_error_that_was_being_handled_does_not_decide_for_the_next_one() -> None:
    with pytest.raises(httpx.ConnectError) as raised:
        call_a_fallback_provider()
    assert isinstance(raised.value.__context__, httpx.HTTPStatusError)
    assert failure_of(raised.value).non_retryable is RETRY


def call_a_fallback_provider() -> None:
    try:
        response(400).raise_for_status()
    except httpx.HTTPStatusError:
        raise httpx.ConnectError("the fallback is down")  # noqa: B904  # as users' code does


def test_a_bedrock_body_that_breaks_is_tried_again() -> None:
    from urllib3.exceptions import ProtocolError

    class Raw:
        def read(self, *_: Any, **__: Any) -> bytes:
            raise ProtocolError("Connection broken")

    with pytest.raises(Exception, match="Connection broken") as raised:
        StreamingBody(Raw(), None).read()  # pyright: ignore[reportArgumentType]  # just enough of urllib3
    assert failure_of(raised.value).non_retryable is RETRY


@pytest.mark.parametrize(
    "code", ["internalServerException", "serviceUnavailableException", "modelStreamErrorException"]
)
def test_an_error_event_in_a_bedrock_stream_is_tried_again(code: str) -> None:
    # botocore parses the event into a code without an HTTP status.
    parsed: Any = {"Error": {"Code": code, "Message": "no"}}
    assert failure_of(EventStreamError(parsed, "ConverseStream")).non_retryable is RETRY


@pytest.mark.parametrize("text", ["", " "])
def test_an_error_without_a_text_is_named(text: str) -> None:
    assert failure_of(RuntimeError(text)).message == (text or "RuntimeError")


@pytest.mark.parametrize("non_retryable", [True, False])
def test_a_failure_that_is_temporals_already_stays_what_it_is(non_retryable: bool) -> None:
    error = ApplicationError("mine", type="Mine", non_retryable=non_retryable)
    assert model_failure(error) is error
    assert isinstance(error, FailureError)


def test_strands_throttling_may_be_retried_and_an_overflow_may_not() -> None:
    failure = failure_of(throttled(None))
    assert (failure.type, failure.message) == ("ModelThrottledException", "slow down")
    assert failure.non_retryable is RETRY
    overflow = failure_of(ContextWindowOverflowException("too long"))
    assert (overflow.type, overflow.message) == ("ContextWindowOverflowException", "too long")
    assert overflow.non_retryable is FINAL


def test_an_overflow_stays_final_whatever_status_it_came_from() -> None:
    error = ContextWindowOverflowException("too long")
    error.__cause__ = http_error(500)
    assert failure_of(error).non_retryable is FINAL
