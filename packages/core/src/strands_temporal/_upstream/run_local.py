"""One object of a class for each run of a workflow, and for each replay of a run.

Our modules pass through the sandbox, so a global would serve all workflows of a worker. temporalio creates
one event loop per run and runs nothing else on it (1.35: worker/_workflow_instance.py:274).
"""

import asyncio
from typing import Any, TypeVar, cast

T = TypeVar("T")

_OBJECTS = "__strands_temporal_run_local__"


def run_local(cls: type[T]) -> T:
    """Return this run's object of class `cls`. The first use creates it, without arguments.

    The object is stored on the run's event loop. Python collects the two together, even if the object refers
    to the event loop.

    Raises:
        RuntimeError: If no event loop runs.
    """
    loop: Any = asyncio.get_running_loop()
    try:  # a run asks dozens of times in each turn
        return loop.__dict__[_OBJECTS][cls]
    except KeyError:
        objects = cast("dict[type[Any], Any]", vars(loop).setdefault(_OBJECTS, {}))
    if cls not in objects:
        objects[cls] = cls()
    return objects[cls]
