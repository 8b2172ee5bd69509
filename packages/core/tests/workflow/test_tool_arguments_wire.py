"""Arguments of activity tools on the wire, and those that other releases send."""

from decimal import Decimal
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from strands_temporal._wire.tool_arguments import given_arguments
from strands_temporal._wire.tool_call import ToolArguments
from strands_temporal.activity import ToolContext

pytestmark = pytest.mark.server


async def takes_one(amount: Decimal) -> str:
    """Take one."""
    return str(amount)


async def takes_three(amount: Decimal, tool_context: ToolContext, note: str = "none") -> str:
    """Take three."""
    return f"{amount} {note}"


USE = {"toolUseId": "t1", "name": "takes_three"}


def test_the_sdk_leaves_the_types_alone_only_where_the_counts_differ() -> None:
    for parameters in range(1, 5):
        args = ToolArguments({"amount": "1"}).to_args(parameters)
        assert len(args) != parameters
        assert ToolArguments.from_args(args) == ToolArguments({"amount": "1"})


@pytest.mark.parametrize("args", [[Decimal(1)], [{"amount": "1"}], [{"strands_arguments": "x"}], []])
def test_what_an_older_release_scheduled_is_left_as_it_is(args: list[Any]) -> None:
    assert given_arguments(takes_one, args, USE) is args


def test_the_context_has_the_input_that_crossed_once() -> None:
    args = ToolArguments.of({"amount": "1.0"}, {"state": {"seen": 1}}).to_args(3)
    amount, context, note = given_arguments(takes_three, args, USE)
    assert (amount, note) == (Decimal("1.0"), "none")
    assert context.tool_use == {**USE, "input": {"amount": "1.0"}}
    assert context.agent_state.get("seen") == 1


def test_arguments_of_a_newer_release_wait_for_a_newer_worker() -> None:
    with pytest.raises(ApplicationError, match=r"wire version 9.*knows 2") as raised:
        given_arguments(takes_one, ToolArguments({}, version=9).to_args(1), USE)
    assert raised.value.type == "WireVersionUnknown"
    assert not raised.value.non_retryable
