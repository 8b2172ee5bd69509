"""The random source for the ids that Strands draws while an agent works on one model answer.

The worker gives each answer that asks for tools a random id and returns it with the answer, so history
records it. This id seeds the ids that Strands draws next. Without the seed these ids would change in a reset,
because a reset changes the workflow's own random numbers. With the seed, the message that asks for tools
keeps its `tracking_id` if the workflow is reset to the task that received the answer.
"""

import random
from contextvars import ContextVar

_source: ContextVar[random.Random | None] = ContextVar("strands_temporal_answer", default=None)


def work_on(answer_id: str) -> None:
    """Seed the ids that Strands draws from now on with an answer's id.

    The seed applies in the current asyncio task and in the tasks that it starts.

    Args:
        answer_id: The answer's id; empty if the answer does not have one.
    """
    _source.set(random.Random(answer_id) if answer_id else None)  # noqa: S311  # seeded: it must repeat


def answers_random() -> random.Random | None:
    """Return the random source for ids while the agent works on an answer with an id, else None."""
    return _source.get()


def go_back_to(source: random.Random | None) -> None:
    """Restore the caller's random source, when an agent that another agent called has ended.

    Args:
        source: The value of `answers_random` before the inner agent began.
    """
    _source.set(source)
