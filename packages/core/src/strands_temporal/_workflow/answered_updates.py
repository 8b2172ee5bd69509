"""Makes updates idempotent across continue-as-new."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from temporalio import workflow

from .._errors import AgentValueError

T = TypeVar("T")


class DeduplicatedUpdates:
    """Answers a repeated update with its first answer, and does not run it again.

    A client that lost an answer sends its update again, with the same update id. Within a run the server
    answers the repeated update. But update ids are unique per run only: after continue-as-new the same id is
    a new update. This object keeps the ids and answers of the last updates. The value of its own `carry()`
    goes into the next run beside the agent's carry.

        @workflow.update
        async def turn(self, prompt: str) -> str:
            return await self._updates.run_once(lambda: self._answer(prompt))

    Args:
        carried: The value that `carry()` returned in the previous run.
        keep: How many of the latest answers to keep.

    Raises:
        AgentValueError: If `keep` is not positive.
    """

    def __init__(self, carried: Mapping[str, Any] | None = None, *, keep: int = 100) -> None:
        if keep < 1:
            raise AgentValueError(f"DeduplicatedUpdates: keep={keep!r} keeps nothing. Give a positive number")
        self._answers: dict[str, Any] = dict(carried or {})
        self._keep = keep

    async def run_once(self, answer: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `answer`, or its earlier result for the same update id.

        Call this in an update handler. A failed update is not kept: if it is sent again, it runs again.
        """
        update = workflow.current_update_info()
        if update is None:
            return await answer()
        if update.id not in self._answers:
            self._answers[update.id] = await answer()
            for update_id in list(self._answers)[: -self._keep]:
                del self._answers[update_id]
        return cast("T", self._answers[update.id])

    once = run_once
    """Deprecated: the former name of `run_once`."""

    def carry(self) -> dict[str, Any]:
        """Return ids and answers as JSON values, for `DeduplicatedUpdates(carried=...)` in the next run."""
        return dict(self._answers)
