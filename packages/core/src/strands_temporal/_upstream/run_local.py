"""One object of a class for each run of a workflow, and for each replay of a run.

Our modules pass through the sandbox, so a global would serve all workflows of a worker. temporalio creates
one event loop per run and runs nothing else on it (1.35: worker/_workflow_instance.py:274).
"""

import asyncio
from typing import Any, TypeVar, cast

T = TypeVar("T")

_OBJECTS = "__strands_temporal_run_local__"


def run_local(cls: type[T]) -> T:
    """Return the object of this run, which the first use creates without arguments.

    It is stored on the run's event loop. Both are collected together, also if the object refers to the loop.

    Raises:
        RuntimeError: If no event loop runs.
    """
    loop: Any = asyncio.get_running_loop()
    objects = cast("dict[type[Any], Any]", vars(loop).setdefault(_OBJECTS, {}))
    if cls not in objects:
        objects[cls] = cls()
    return objects[cls]
