"""One log line at INFO for each turn, model call, tool call and question: logger `strands_temporal.agents`.

The lines come from the workflow, where agent and turn are known. They are silent during a replay.
"""

import logging
from typing import Any

from temporalio import workflow

from .._upstream.passes import is_live
from .._upstream.teardown import is_torn_down

LOGGER = "strands_temporal.agents"

_logger = workflow.LoggerAdapter(logging.getLogger(LOGGER), None)
_logger.workflow_info_on_message = False  # the line has the workflow's id itself


def logs_lines() -> bool:
    """Tell whether lines are logged now. Ask before computing what only a line needs."""
    return _logger.isEnabledFor(logging.INFO) and not is_torn_down() and is_live()


def log_line(sentence: str, **values: Any) -> None:
    """Log a line: `key=<value>, ... | sentence`. The record also has each value as an attribute.

    Args:
        sentence: The event.
        **values: Values of the event, in the line's order. None leaves a value out. No content of a
            conversation belongs here.
    """
    if not logs_lines():
        return
    given = {"workflow_id": workflow.info().workflow_id, **values}
    given = {name: value for name, value in given.items() if value is not None}
    keys = ", ".join(f"{name}=<%s>" for name in given)
    _logger.info(f"{keys} | {sentence}", *given.values(), extra=given)


def rounded(seconds: float) -> float:
    """Return a duration as the lines show it, in milliseconds' precision."""
    return round(seconds, 3)
