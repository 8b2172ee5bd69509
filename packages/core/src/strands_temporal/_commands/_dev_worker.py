"""The worker process of `strands-temporal dev`: `python -m strands_temporal._commands._dev_worker ORDER`.

It imports the user's module, so that an error in it, or a crash, ends this process alone. It tells the parent
on its socket what it found or why it could not start, then works until SIGTERM. The parent's supervisor ends
it when the parent dies.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib.metadata import entry_points
from typing import Any, cast

from temporalio.worker import Worker

from .. import StrandsPlugin
from .._wire.extras import GROUP
from .._worker.model_factories import use_stand_in
from ._control import ask
from ._dev_models import NoModelError, from_environment, stand_in
from ._dev_target import Found, TargetError, load, parse_target, users_files, users_traceback
from ._output import SafeStream
from ._settings import CommandError, Settings
from ._task_threads import TaskThreads

GRACE = timedelta(seconds=3)
"""How long calls in flight may go on when the worker is replaced. The parent kills it after five seconds."""

STICKY = timedelta(seconds=1)
"""How soon another worker gets the workflow tasks of a killed one."""

_ACTIVITIES = 100  # at once, which is temporalio's default

LONGEST_REST = 1.0
"""Seconds for which a worker that is to be replaced waits for a pause between workflow tasks. With `GRACE` it
is less than the five seconds after which it is killed."""

_NO_ARGUMENTS = ("streaming", "hitl")
"""Extras whose plugins need no arguments, so that they are there if they are installed."""

FAILED = 3
"""Exit code: the target could not be served. The parent waits for a change."""


@dataclass(frozen=True)
class Order:
    """What the parent asks for, as JSON on the command line.

    Attributes:
        number: Number of this worker, from 1; each message carries it.
        target: Text of the target.
        task_queue: The task queue.
        model: `--model`.
        socket: The parent's socket.
        settings: Fields of `Settings`.
    """

    number: int
    target: str
    task_queue: str
    model: str
    socket: str
    settings: dict[str, Any]

    def to_json(self) -> str:
        """Return the order as JSON."""
        return json.dumps(asdict(self))


def main() -> int:
    """Do what the order says. Return the exit code."""
    order = Order(**json.loads(sys.argv[1]))
    sys.stdout = cast("Any", SafeStream(sys.stdout))  # Strands' agents print what the model says
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger().handlers[0].addFilter(_hint)
    # temporalio 1.35 leaves this coroutine when a workflow's `__init__` raises. The failure itself is told.
    warnings.filterwarnings("ignore", r"coroutine '_WorkflowInstanceImpl\.", RuntimeWarning)
    try:
        # Outside of the event loop: a module may run one of its own, and SIGTERM ends an import at once.
        found, label = _loaded(order)
        asyncio.run(_serve(order, found, label))
    except (TargetError, NoModelError, CommandError) as error:
        final = not isinstance(error, TargetError)  # no change of the file can help
        asyncio.run(_tell(order, event="failed", text=str(error), final=final))
        return FAILED
    except Exception as error:  # noqa: BLE001  # temporalio or a plugin refuses what the module has
        asyncio.run(_tell(order, event="failed", text=users_traceback(error)))
        return FAILED
    return 0


def _loaded(order: Order) -> tuple[Found, str]:
    chosen = stand_in(order.model)
    if chosen:
        use_stand_in(chosen.factory)
    found = load(parse_target(order.target))
    if chosen is None and found.models is None and found.strands_plugin is None:
        chosen = from_environment()
        use_stand_in(chosen.factory)
    return found, chosen.label if chosen else "the module's own"


async def _serve(order: Order, found: Found, label: str) -> None:
    plugins = plugins_of(found)
    threads = TaskThreads()
    client = await Settings(**order.settings).connect(plugins=plugins)
    worker = Worker(
        client,
        task_queue=order.task_queue,
        workflows=found.workflows,
        activities=found.activities,
        identity=f"dev-worker-{order.number}:{os.getpid()}@{socket.gethostname()}",
        graceful_shutdown_timeout=GRACE,
        sticky_queue_schedule_to_start_timeout=STICKY,
        workflow_task_executor=threads,
        activity_executor=ThreadPoolExecutor(
            _ACTIVITIES, thread_name_prefix="activity"
        ),  # for plain functions
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with worker:
        await _tell(
            order,
            event="ready",
            pid=os.getpid(),
            agents=sorted(found.agents),
            workflows=sorted(cls.__name__ for cls in found.workflows),
            activities=sorted(function.__name__ for function in found.activities),
            model=label,
        )
        await stop.wait()
        await threads.rest(LONGEST_REST)


def plugins_of(found: Found) -> list[Any]:
    """Return the module's plugins, and those that it left out.

    Raises:
        TargetError: The module's StrandsPlugin stands against its agents or models.
    """
    plugins = list(found.plugins)
    if found.strands_plugin is None:
        agents: dict[str, Any] = {"agents": found.agents} if found.agents else {}
        plugins.append(StrandsPlugin(models=found.models, **agents))
    elif found.models is not None:
        raise TargetError(
            "The module has `models` and a StrandsPlugin in `plugins`. Write "
            "StrandsPlugin(models=models, ...), or leave the StrandsPlugin out"
        )
    there = {type(plugin) for plugin in plugins}
    offered = [point.load() for point in entry_points(group=GROUP) if point.name in _NO_ARGUMENTS]
    return [*plugins, *(plugin() for plugin in offered if plugin not in there)]


async def _tell(order: Order, **message: Any) -> None:
    files = users_files(parse_target(order.target).root)
    await ask(order.socket, {"number": order.number, "files": files, **message})


def _hint(record: logging.LogRecord) -> bool:
    """Add to the log of a nondeterministic replay what a person who has just changed the code can do."""
    if record.exc_info and "TMPRL1100" in str(record.exc_info[1]):
        record.msg = (
            f"{record.msg}\nA running conversation does not fit the changed code. Undo the change, or end "
            "that conversation and start another."
        )
    return True


if __name__ == "__main__":
    sys.exit(main())
