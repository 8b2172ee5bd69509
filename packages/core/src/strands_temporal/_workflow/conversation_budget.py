"""The token budget of a conversation: checked before each model call of each agent in the run."""

from weakref import WeakSet

from strands import Agent
from strands.hooks import BeforeModelCallEvent
from temporalio import workflow

from .._errors import TokenBudgetExceededError
from .._upstream.run_local import run_local
from .begun_agents import observe_agents
from .usage import WorkflowUsage

_checked: WeakSet[Agent] = WeakSet()
"""The agents that have the hook below. An agent that was created at import may run in several workflows, so
the hook finds the budget in the current run."""


class TokenBudget:
    """The budget of the current run."""

    def __init__(self) -> None:
        self._most: int | None = None

    def limit(self, most: int) -> None:
        """Allow `most` tokens from now on, over all runs and agents of the conversation."""
        self._most = most
        observe_agents(_check_each_call)

    @property
    def is_spent(self) -> bool:
        """Whether the agents have used all their tokens."""
        return self._most is not None and tokens_used() >= self._most

    def error(self) -> TokenBudgetExceededError:
        """Return the error for a call that the budget does not allow."""
        return TokenBudgetExceededError(
            f"The conversation has used {tokens_used():,} tokens. Its budget is max_tokens={self._most:,}"
        )


def tokens_used() -> int:
    """Return the tokens of all model calls so far, input and output."""
    total = run_local(WorkflowUsage).total()
    return max(total.total_tokens, total.input_tokens + total.output_tokens)


def _check_each_call(agent: Agent) -> None:
    if agent not in _checked:
        _checked.add(agent)
        agent.hooks.add_callback(BeforeModelCallEvent, _check_call)


def _check_call(event: BeforeModelCallEvent) -> None:
    del event
    if workflow.in_workflow() and (budget := run_local(TokenBudget)).is_spent:
        raise budget.error()
