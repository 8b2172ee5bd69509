"""Errors that leave an agent, and this project's errors: each ends a workflow wherever it is raised."""

import builtins
import copy
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from packages.core.tests.wire.failure_scenes import UsersOwnError, across, timed_out
from pydantic import TypeAdapter, ValidationError
from strands.interrupt import Interrupt, InterruptException
from strands.types.exceptions import (
    ModelThrottledException,
    SessionException,
)
from temporalio.exceptions import (
    ApplicationError,
    FailureError,
)

from strands_temporal import AgentTypeError, AgentValueError, SnapshotsDisabledError, SynchronousCallError
from strands_temporal._workflow.failures import (
    as_workflow_failure,
    construction_error,
    left_agent,
    mark_left_agent,
)

# Errors that leave an agent -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [KeyError("k"), UsersOwnError("mine"), ModelThrottledException("slow")], ids=repr
)
def test_an_error_that_left_an_agent_is_told_from_one_that_did_not(error: Exception) -> None:
    assert not left_agent(error)
    mark_left_agent(error)
    assert left_agent(error)
    assert not left_agent(type(error)("another"))


@dataclass(frozen=True)
class FrozenError(Exception):
    code: int


def not_valid() -> Exception:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(int).validate_python("x")
    return raised.value


@pytest.mark.parametrize("error", [FrozenError(3), not_valid()], ids=["frozen", "pydantic"])
def test_every_kind_of_exception_can_be_marked_and_stays_what_it_is(error: Exception) -> None:
    before = str(error)
    mark_left_agent(error)
    assert left_agent(error)
    assert str(error) == before


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups are Python 3.11's")
def test_a_group_left_an_agent_when_all_in_it_did() -> None:
    group: Any = vars(builtins)["ExceptionGroup"]  # the type checker's Python is 3.10
    marked, another, plain = KeyError("marked"), ValueError("marked"), KeyError("plain")
    mark_left_agent(marked)
    mark_left_agent(another)
    assert left_agent(group("two agents", [marked, another]))
    assert left_agent(group("outer", [group("inner", [marked]), another]))
    assert not left_agent(group("one agent, one bug", [marked, plain]))
    assert not left_agent(group("outer", [group("inner", [plain]), marked]))
    whole = group("raised by a hook", [plain])
    mark_left_agent(whole)
    assert left_agent(whole)
    assert left_agent(group("outer", [whole, marked]))
    refused = ApplicationError("bad request", type="BadRequestError")
    assert not left_agent(group("a task group of the user's", [refused]))
    mark_left_agent(refused)
    assert left_agent(group("a task group with an agent in it", [refused]))


@pytest.mark.parametrize(
    ("error", "type_", "message"),
    [
        (KeyError("k"), "KeyError", "'k'"),
        (UsersOwnError(), "UsersOwnError", "UsersOwnError"),
        (ModelThrottledException("slow"), "ModelThrottledException", "slow"),
    ],
    ids=repr,
)
def test_the_failure_that_ends_a_run_is_typed_and_final(error: Exception, type_: str, message: str) -> None:
    failure = as_workflow_failure(error)
    assert (failure.type, failure.message, failure.non_retryable) == (type_, message, True)


def test_the_failure_of_an_interrupt_that_nobody_answers_carries_its_payload() -> None:
    failure = as_workflow_failure(InterruptException(Interrupt("i", "approve", {"n": 1})))
    assert failure.type == "InterruptException"
    assert list(failure.details) == [{"id": "i", "name": "approve", "reason": {"n": 1}}]


# Our errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "builtin", "type_"),
    [
        (AgentValueError, ValueError, "AgentValueError"),
        (AgentTypeError, TypeError, "AgentTypeError"),
        (SnapshotsDisabledError, NotImplementedError, "NotImplementedError"),
        (SynchronousCallError, RuntimeError, "SynchronousCallError"),
    ],
)
def test_errors_of_ours_are_pythons_and_temporals_at_once(
    cls: type[AgentValueError], builtin: type[Exception], type_: str
) -> None:
    error = cls("what to do")
    assert isinstance(error, builtin)
    assert isinstance(error, FailureError)  # ends a workflow even without an interceptor
    assert error.non_retryable
    assert error.type == type_
    assert str(error) == error.message == "what to do"  # Temporal's own text would begin with the type
    received = across(error).cause
    assert isinstance(received, ApplicationError)
    assert (received.message, received.type, received.non_retryable) == ("what to do", type_, True)
    assert str(copy.copy(error)) == "what to do"


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (TypeError("unexpected keyword"), AgentTypeError),
        (ValueError("bad"), AgentValueError),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), AgentValueError),
    ],
    ids=repr,
)
def test_what_strands_refuses_at_construction_keeps_its_kind(
    raised: Exception, kind: type[Exception]
) -> None:
    error = construction_error(raised)
    assert type(error) is kind
    assert str(error) == str(raised)


def test_other_errors_at_construction_end_the_workflow_under_their_own_name() -> None:
    for raised, type_, message in (
        (KeyError("k"), "KeyError", "'k'"),
        (UsersOwnError(), "UsersOwnError", "UsersOwnError"),
        (SessionException("lost"), "SessionException", "lost"),
    ):
        error = construction_error(raised)
        assert isinstance(error, ApplicationError)
        assert (error.type, error.message, error.non_retryable) == (type_, message, True)


@pytest.mark.parametrize("error", [AgentValueError("v"), ApplicationError("a"), timed_out()], ids=repr)
def test_a_failure_of_temporal_at_construction_stays_itself(error: Exception) -> None:
    assert construction_error(error) is error
