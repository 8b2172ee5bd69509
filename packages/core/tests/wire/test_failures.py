"""Errors that cross an activity. Strands' exceptions keep their class, and so do a tool's builtin ones."""

from typing import Any

import pytest
from packages.core.tests.wire.failure_scenes import PAYLOAD_CONVERTERS, UsersOwnError, across, timed_out
from strands.interrupt import Interrupt, InterruptException
from strands.types import exceptions as strands_exceptions
from strands.types.exceptions import (
    AggregateMemoryError,
    ContextWindowOverflowException,
    EventLoopException,
    ModelThrottledException,
    SessionException,
)
from temporalio.converter import PayloadConverter
from temporalio.exceptions import (
    ApplicationError,
)

from strands_temporal._wire.failures import (
    STRANDS_EXCEPTIONS,
    from_activity_error,
    from_tool_activity_error,
    to_application_error,
)


def made(cls: type[Exception], message: str) -> Exception:
    if cls is EventLoopException:
        return EventLoopException(ValueError(message))
    if cls is InterruptException:
        return InterruptException(Interrupt(id="i-1", name="approve", reason=message))
    if cls is AggregateMemoryError:
        return AggregateMemoryError(message, [OSError("store")])
    return cls(message)


def typed(error: BaseException) -> ApplicationError:
    failure = to_application_error(error)
    assert failure is not None
    return failure


# Across an activity -------------------------------------------------------------------------------------


def test_every_exception_of_strands_is_known() -> None:
    declared = {
        name: value
        for name, value in vars(strands_exceptions).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert {**declared, "InterruptException": InterruptException} == STRANDS_EXCEPTIONS
    assert len(STRANDS_EXCEPTIONS) >= 16


@pytest.mark.parametrize("name", sorted(STRANDS_EXCEPTIONS))
@pytest.mark.parametrize("payloads", PAYLOAD_CONVERTERS, ids=["default", "pydantic"])
def test_exceptions_of_strands_come_back_as_themselves(name: str, payloads: PayloadConverter) -> None:
    original = made(STRANDS_EXCEPTIONS[name], "what happened: ü")
    received = across(typed(original), payloads)
    restored = from_activity_error(received)
    assert type(restored) is STRANDS_EXCEPTIONS[name]
    assert str(restored) == str(original)
    assert restored.__cause__ is received  # the whole chain stays readable
    assert getattr(restored, "message", None) == getattr(original, "message", None)


@pytest.mark.parametrize("name", sorted(STRANDS_EXCEPTIONS))
def test_only_throttling_is_worth_another_attempt(name: str) -> None:
    failure = typed(made(STRANDS_EXCEPTIONS[name], "no"))
    assert failure.type == name
    assert failure.non_retryable is (name != "ModelThrottledException")


def test_a_restored_aggregate_holds_no_errors_which_cannot_cross() -> None:
    restored = from_activity_error(across(typed(made(AggregateMemoryError, "two stores failed"))))
    assert isinstance(restored, AggregateMemoryError)
    assert restored.errors == []


def test_a_restored_event_loop_exception_has_what_strands_reads_of_it() -> None:
    restored = from_activity_error(across(typed(EventLoopException(KeyError("k"), {"some": "state"}))))
    assert isinstance(restored, EventLoopException)
    assert isinstance(restored.original_exception, Exception)
    assert str(restored.original_exception) == "'k'"
    assert restored.request_state == {}


@pytest.mark.parametrize("payloads", PAYLOAD_CONVERTERS, ids=["default", "pydantic"])
@pytest.mark.parametrize(
    "reason",
    [
        None,
        "Delete 3 files?",
        {"files": ["a", "b"], "deep": {"ok": True, "n": 1.5}},
        b"\x00\xff",
        {"diff": b"\x00", "$b64": "no"},
        {"$b64": "AA=="},
        [1, None, "x"],
    ],
    ids=repr,
)
def test_interrupts_keep_id_name_and_reason(payloads: PayloadConverter, reason: Any) -> None:
    original = InterruptException(Interrupt(id="v1:tool_call:t1:abc", name="approval", reason=reason))
    restored = from_activity_error(across(typed(original), payloads))
    assert isinstance(restored, InterruptException)
    assert restored.interrupt == original.interrupt


@pytest.mark.parametrize(
    "reason", [{1, 2}, object(), {"deep": {3: "x"}}, float("nan")], ids=["set", "object", "int key", "nan"]
)
def test_a_reason_that_cannot_cross_comes_as_text(reason: Any) -> None:
    restored = from_activity_error(across(typed(InterruptException(Interrupt("i", "n", reason)))))
    assert isinstance(restored, InterruptException)
    assert restored.interrupt == Interrupt("i", "n", str(reason))


def test_a_subclass_of_a_strands_exception_crosses_as_its_base() -> None:
    class Throttled(ModelThrottledException):
        pass

    class Between(SessionException):
        pass

    class Lost(Between):
        pass

    restored = from_activity_error(across(typed(Throttled("slow"))))
    assert type(restored) is ModelThrottledException
    assert str(restored) == "slow"
    assert typed(Throttled("slow")).non_retryable is False
    assert type(from_activity_error(across(typed(Lost("gone"))))) is SessionException


def test_a_class_that_only_has_the_name_of_one_of_strands_is_not_taken_for_it() -> None:
    fake = type("ContextWindowOverflowException", (Exception,), {})
    assert to_application_error(fake("mine")) is None


def test_an_empty_message_becomes_the_name() -> None:
    assert typed(ContextWindowOverflowException()).message == "ContextWindowOverflowException"


@pytest.mark.parametrize(
    "error", [UsersOwnError("mine"), ValueError("bad"), ApplicationError("app"), KeyboardInterrupt()]
)
def test_what_is_not_strands_passes(error: BaseException) -> None:
    assert to_application_error(error) is None


def test_a_users_exception_arrives_as_a_typed_failure_with_details() -> None:
    received = across(ApplicationError("no such record", {"id": 42}, type="NotFound", non_retryable=False))
    restored = from_activity_error(received)
    assert isinstance(restored, ApplicationError)
    assert (restored.message, restored.type, list(restored.details)) == (
        "no such record",
        "NotFound",
        [{"id": 42}],
    )
    assert restored.non_retryable  # Temporal has already made all retries
    assert restored.__cause__ is received
    plain = from_activity_error(across(UsersOwnError("mine")))
    assert isinstance(plain, ApplicationError)
    assert (plain.message, plain.type) == ("mine", "UsersOwnError")


def test_a_time_out_stays_the_activity_error_that_it_is() -> None:
    error = timed_out()
    assert from_activity_error(error) is error
    assert from_tool_activity_error(error) is error.cause


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad"),
        LookupError("none"),
        RuntimeError("boom"),
        OSError("disk"),
        TypeError("call"),
        Exception("x"),
    ],
    ids=repr,
)
def test_a_tools_builtin_exception_comes_back_as_itself(error: Exception) -> None:
    received = across(error)
    restored = from_tool_activity_error(received)
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert restored.__cause__ is received
    assert isinstance(from_activity_error(received), ApplicationError)  # this is done only for tools


@pytest.mark.parametrize("error", [KeyError("city"), KeyError(3), KeyError(("a", 1))], ids=repr)
def test_a_tools_key_error_comes_back_with_its_text(error: Exception) -> None:
    restored = from_tool_activity_error(across(error))
    assert isinstance(restored, KeyError)
    assert isinstance(restored, ApplicationError)  # out of an agent it ends the run
    assert (type(restored).__name__, str(restored)) == ("KeyError", str(error))


@pytest.mark.parametrize(
    "error",
    [StopIteration("end"), StopAsyncIteration("end"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")],
    ids=repr,
)
def test_builtin_exceptions_that_cannot_be_raised_again_stay_typed_failures(error: Exception) -> None:
    restored = from_tool_activity_error(across(error))
    assert isinstance(restored, ApplicationError)
    assert restored.type == type(error).__name__


@pytest.mark.parametrize("type_", ["KeyboardInterrupt", "SystemExit", "print", "GeneratorExit", "", None])
def test_a_failure_type_that_names_another_builtin_is_not_called(type_: str | None) -> None:
    restored = from_tool_activity_error(across(ApplicationError("x", type=type_)))
    assert isinstance(restored, ApplicationError)
