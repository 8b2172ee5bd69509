"""Registers the queries that show an operator what agents do. A user's query of the same name stays."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow

from .._upstream.run_local import run_local
from .agent_views import AgentViews
from .conversation import Conversations
from .current_details import describe_query
from .usage import WorkflowUsage

CONVERSATION_QUERY = "conversation"
"""Query that returns the agents' conversations as text."""

USAGE_QUERY = "usage"
"""Query that returns turns, calls and tokens by agent, as JSON."""


class OperatorQueries:
    """The queries of one run for operators."""

    def __init__(self) -> None:
        AgentViews.of_this_run()
        _add(
            CONVERSATION_QUERY,
            run_local(Conversations).answer,
            "The agents' conversations as text, the latest messages. Argument, optional: an agent's name, "
            'the number of a page (0 is the latest), or both: {"agent": "...", "page": 1}',
        )
        _add(
            USAGE_QUERY,
            run_local(WorkflowUsage).to_json,
            "Turns, tool calls, model calls and tokens, by agent and in total, as JSON. No arguments",
        )


def _add(name: str, handler: Callable[..., Any], description: str) -> None:
    # A dynamic handler of the user's may answer this name too.
    if workflow.get_query_handler(name) is None and workflow.get_dynamic_query_handler() is None:
        workflow.set_query_handler(name, handler)
        describe_query(name, description)
