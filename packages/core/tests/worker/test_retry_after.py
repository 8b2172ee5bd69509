"""When to retry a model call: the providers' headers, and the delays that we derive from them."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import httpx
import ollama
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packages.core.tests.worker.provider_errors import (
    RETRY,
    anthropic_error,
    bedrock_error,
    failure_of,
    gemini_error,
    http_error,
    openai_error,
    response,
    throttled,
)
from temporalio.common import RetryPolicy
from temporalio.testing import ActivityEnvironment

from strands_temporal._workflow.options import MODEL_DEFAULTS

TEN_MINUTES = timedelta(minutes=10)
MODEL_RETRIES = MODEL_DEFAULTS.get("retry_policy")


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        ("7", timedelta(seconds=7)),
        ("0.25", timedelta(seconds=0.25)),
        (" 3 ", timedelta(seconds=3)),
        ("600", TEN_MINUTES),
        ("601", TEN_MINUTES),  # limited
        ("86400", TEN_MINUTES),
        ("99999999999", TEN_MINUTES),
        ("0", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2099 07:28:00 +9999999999999", None),
        ("Fri, 99 Foo 2026 99:99:99 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),  # in the past
        ("Wed, 21 Oct 2099 07:28:00 GMT", TEN_MINUTES),
        ("Wed, 21 Oct 2099 07:28:00 -0000", TEN_MINUTES),  # of an unknown zone
    ],
)
@pytest.mark.parametrize(
    "make",
    [http_error, openai_error, anthropic_error, gemini_error],
    ids=["httpx", "openai", "anthropic", "gemini"],
)
def test_retry_after_becomes_the_next_retry_delay(make: Any, header: str, delay: timedelta | None) -> None:
    error = make(429, retry_after=header)
    for thrown in (error, throttled(error)):
        failure = failure_of(thrown)
        assert failure.next_retry_delay == delay
        assert failure.non_retryable is RETRY


def test_retry_after_as_a_date_counts_from_now() -> None:
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=120), usegmt=True)
    delay = failure_of(throttled(http_error(429, Retry_After=date))).next_retry_delay
    assert delay is not None
    assert timedelta(seconds=60) < delay <= timedelta(seconds=120)


@pytest.mark.parametrize("hours", [-2, 2])
def test_retry_after_as_a_date_counts_from_the_answers_own_date(hours: int) -> None:
    """This machine's clock may be wrong, and a call that comes too early is refused again."""
    sent = datetime.now(timezone.utc) + timedelta(hours=hours)
    dates = [format_datetime(sent + timedelta(seconds=wait), usegmt=True) for wait in (0, 120)]
    delay = failure_of(throttled(http_error(429, Date=dates[0], Retry_After=dates[1]))).next_retry_delay
    assert delay == timedelta(seconds=120)


def test_retry_after_of_bedrock_is_read_from_its_headers() -> None:
    error = bedrock_error("ThrottlingException", 429, **{"retry-after": "9"})
    assert failure_of(throttled(error)).next_retry_delay == timedelta(seconds=9)


def test_retry_after_in_milliseconds_as_openai_sends_it() -> None:
    error = openai_error(429, retry_after_ms="1500", retry_after="2")
    assert failure_of(throttled(error)).next_retry_delay == timedelta(seconds=1.5)


async def test_retry_after_of_ollama_is_read_from_what_its_sdk_dropped() -> None:
    """The SDK raises its own error `from None`, without the response. Only the status connects them."""
    refused = httpx.MockTransport(lambda _: response(429, retry_after="9"))
    client = ollama.AsyncClient(transport=refused)
    with pytest.raises(ollama.ResponseError) as raised:
        [part async for part in await client.generate("m", "hello", stream=True)]
    assert failure_of(raised.value).next_retry_delay == timedelta(seconds=9)


def test_retry_after_of_another_failure_that_was_being_handled_is_not_taken() -> None:
    error = ollama.ResponseError("the fallback is down", 503)
    error.__context__, error.__suppress_context__ = http_error(429, retry_after="9"), True
    assert failure_of(error).next_retry_delay is None


def test_retry_after_is_found_behind_several_causes() -> None:
    outer = RuntimeError("the provider's wrapper")
    outer.__cause__ = throttled(http_error(503, retry_after="4"))
    failure = failure_of(outer)
    assert failure.next_retry_delay == timedelta(seconds=4)
    assert failure.non_retryable is RETRY


def test_retry_after_of_a_final_failure_is_not_passed_on() -> None:
    assert failure_of(http_error(400, retry_after="4")).next_retry_delay is None


def delays(policy: RetryPolicy | None, header: str) -> list[float]:
    """Return the seconds of delay after each of ten attempts that got the header."""

    def attempt() -> float:
        delay = failure_of(http_error(429, retry_after=header)).next_retry_delay
        assert delay is not None
        return delay.total_seconds()

    found: list[float] = []
    for number in range(1, 11):
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, attempt=number, retry_policy=policy)
        found.append(environment.run(attempt))
    return found


def test_a_short_retry_after_does_not_use_up_the_attempts_in_seconds() -> None:
    """Plain Strands waits two minutes in all, whatever the provider says."""
    assert delays(MODEL_RETRIES, "1") == [1, 1, 1, 2, 4, 8, 16, 32, 60, 60]
    assert delays(MODEL_RETRIES, "20") == [20] * 7 + [32, 60, 60]
    assert delays(MODEL_RETRIES, "600") == [600] * 10
    assert delays(None, "1") == [1, 1, 1, 1, 2, 4, 8, 16, 32, 64]
    steep = RetryPolicy(initial_interval=timedelta(days=1), backoff_coefficient=1e300)
    assert delays(steep, "1")[3:5] == [86400, 100 * 86400]


def test_causes_that_go_round_in_a_circle_end() -> None:
    one, two = RuntimeError("one"), RuntimeError("two")
    one.__cause__, two.__cause__ = two, one
    assert failure_of(one).non_retryable is RETRY


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_no_header_makes_the_classification_itself_fail(header: str) -> None:
    delay = failure_of(http_error(429, retry_after=header)).next_retry_delay
    assert delay is None or timedelta(0) < delay <= TEN_MINUTES
