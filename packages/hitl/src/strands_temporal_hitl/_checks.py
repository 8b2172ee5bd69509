"""Argument checks for `Approvals`: a bad value fails where it is passed."""

import json
from datetime import timedelta
from typing import Any

from strands import Agent
from strands.multiagent import MultiAgentBase

from strands_temporal import AgentTypeError, AgentValueError
from strands_temporal.extension import team_waits_with


def check_condition(condition: object, agent: Agent | MultiAgentBase) -> None:
    if condition is not None and not isinstance(agent, Agent) and team_waits_with(agent) is None:
        raise AgentTypeError(
            f"approvals.run: stop_waiting_when= is for agents, graphs and swarms. A {type(agent).__name__} "
            "cannot be carried into another run of the workflow"
        )
    if condition is not None and not callable(condition):
        raise AgentTypeError(
            f"approvals.run: stop_waiting_when={condition!r} is not a function. Write "
            "stop_waiting_when=workflow.info().is_continue_as_new_suggested"
        )


def check_deadline(deadline: object) -> None:
    if deadline is None:
        return
    if not isinstance(deadline, timedelta):
        raise AgentTypeError(
            f"Approvals: deadline={deadline!r} is not a timedelta. Write timedelta(hours=...)"
        )
    if deadline <= timedelta(0):
        raise AgentValueError(f"Approvals: deadline={deadline!r} is not positive")


def checked_person(argument: str, name: object) -> str | None:
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise AgentTypeError(f"Approvals: {argument}={name!r} is not the name of a person")
    return name


def check_answers(approved: Any, rejected: Any) -> None:
    for name, value in (("approved", approved), ("rejected", rejected)):
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AgentValueError(f"Approvals: {name}={value!r} is not JSON") from error
        if value is None:
            raise AgentValueError(f"Approvals: {name}=None would leave the interrupt unanswered for Strands")
    if approved == rejected:
        raise AgentValueError(f"Approvals: approved and rejected are both {approved!r}")
