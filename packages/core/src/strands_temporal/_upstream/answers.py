"""The random source of the ids that Strands draws while an agent works on one model answer.

The worker gives each answer that asks for tools a random id, which history keeps with the answer. The ids
that Strands draws next come from it. So the message that asks for tools keeps its `tracking_id` when the
workflow is reset to the task that took the answer, although a reset changes the workflow's own random
numbers. Another answer of the model has another id.
"""

import random
from contextvars import ContextVar

_source: ContextVar[random.Random | None] = ContextVar("strands_temporal_answer", default=None)


def work_on(answer_id: str) -> None:
    """Take the ids that Strands draws from now on, in this task and those it starts, from an answer's id.

    Args:
        answer_id: The answer's id; empty for an answer that has none.
    """
    _source.set(random.Random(answer_id) if answer_id else None)  # noqa: S311  # seeded: it must repeat


def answers_random() -> random.Random | None:
    """Return what ids are to be drawn from, if an answer with an id is being worked on."""
    return _source.get()


def go_back_to(source: random.Random | None) -> None:
    """Go back to what `answers_random` returned before another agent worked on its own answers."""
    _source.set(source)
