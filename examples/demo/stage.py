"""What the show runs on: `strands-temporal dev`, which has the server, the small model and the worker."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from examples.demo.screen import Screen
from examples.support.child import ROOT, START_TIMEOUT, ChildProcess, last_words
from examples.support.model_choice import MODEL_VARIABLE, ModelChoice

SCRIPT = Path(sys.executable).with_name("strands-temporal")
"""The command line, beside the interpreter that runs the demo."""

AGENTS = "examples/demo/agents.py"

TASK_QUEUE = "strands-temporal"
"""The one that `strands-temporal dev` takes by default."""


class NotShownError(Exception):
    """Something that the demo claims did not happen. The message is one line for a person."""


@dataclass(frozen=True)
class Worker:
    """A worker process. `name` is how the demo calls it."""

    number: int
    pid: int

    @property
    def name(self) -> str:
        """Its number and its process id."""
        return f"worker-{self.number} (pid {self.pid})"

    @classmethod
    def of(cls, identity: str) -> "Worker":
        """Return the worker with this identity in a history: `dev-worker-1:4711@host`."""
        number, _, pid = identity.removeprefix("dev-worker-").partition("@")[0].partition(":")
        return cls(int(number), int(pid))


class Stage:
    """A running `strands-temporal dev`. Made by `stage`.

    Attributes:
        model: The model that answers.
        address: Address of the Temporal server.
        ui_url: Address of its Web UI, if known.
        own_server: Whether the server ends with the demo.
        show_id: Unique, since a server of the user's may hold other shows.
        task_queue: Task queue of the workers.
        worker: The worker that was started last.
    """

    def __init__(
        self, process: ChildProcess, model: ModelChoice, screen: Screen, show_id: str, task_queue: str
    ) -> None:
        self.model = model
        self.address = ""
        self.ui_url: str | None = None
        self.own_server = keeps_chats()
        self.show_id = show_id
        self.task_queue = task_queue
        self.worker = Worker(0, 0)
        self._process = process
        self._screen = screen

    @property
    def agent(self) -> str:
        """Name of the agent for this model."""
        return agent_for(self.model)

    async def begin(self, first_line: str) -> None:
        """Wait until the first worker is ready, and show the parts."""
        async with self._screen.waiting("Starting a Temporal server"):
            server = await self._event("server", first_line)
        self.address, self.ui_url = server["address"], server["ui_url"]
        dev = "Temporal dev server" if self.own_server else "the Temporal server that your environment names"
        self._screen.fact("server", f"{dev}, at {self.address}")
        self._screen.fact("model", self.model.label)
        async with self._screen.waiting("Starting the model and a worker"):
            await self.next_worker()
        self._screen.fact("worker", f"{self.worker.name}, a process of its own")

    async def next_worker(self) -> Worker:
        """Wait for the first worker, or for the successor of the one that died."""
        ready = await self._event("ready")
        self.worker = Worker(ready["number"], ready["pid"])
        return self.worker

    def kill_worker(self) -> None:
        """End the worker with SIGKILL. `strands-temporal dev` then starts another one."""
        os.kill(self.worker.pid, signal.SIGKILL)

    async def command(self, *arguments: str, columns: int = 0) -> str:
        """Run `strands-temporal` with these arguments, and return what it prints.

        Raises:
            ChildProcessError: The command failed.
        """
        process = await asyncio.create_subprocess_exec(
            *(str(SCRIPT), *arguments, "--address", self.address),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "COLUMNS": str(columns)},
        )
        try:
            out, error = await asyncio.wait_for(process.communicate(), START_TIMEOUT)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise ChildProcessError(f"strands-temporal {' '.join(arguments)}: {error.decode().strip()}")
        return out.decode()

    async def _event(self, wanted: str, line: str = "") -> dict[str, Any]:
        """Return the next event of this kind that `strands-temporal dev --json` tells.

        Raises:
            ChildProcessError: It has ended, or cannot serve the agents.
            NotShownError: The event did not come.
        """
        while True:
            try:
                line = line or await asyncio.wait_for(self._process.line(), START_TIMEOUT)
            except asyncio.TimeoutError:
                raise NotShownError(f"strands-temporal dev did not tell {wanted!r} in time") from None
            if not line:
                raise ChildProcessError(f"strands-temporal dev ended: {last_words(self._process.log)}")
            event: dict[str, Any] = json.loads(line)
            line = ""
            if event["event"] == wanted:
                return event
            if event["event"] == "note" and "--address" not in event["text"]:  # the demo has no such option
                self._screen.note(event["text"])
            elif event["event"] == "failed":
                raise ChildProcessError(event["text"])


@asynccontextmanager
async def stage(screen: Screen, folder: Path, model: ModelChoice) -> AsyncGenerator[Stage]:
    """Start everything, show its parts, and end it with the block.

    Args:
        screen: Where to show the parts.
        folder: For the log.
        model: The model that answers.
    """
    show_id = uuid4().hex[:8]
    task_queue = TASK_QUEUE if keeps_chats() else f"{TASK_QUEUE}-demo-{show_id}"
    arguments = [*dev_arguments(model), "--json", "--no-reload", "--task-queue", task_queue]
    process, _ = await asyncio.gather(
        ChildProcess.start("examples.demo.dev", *arguments, log=folder / "dev.log"),
        asyncio.to_thread(import_module, "examples.demo.story"),  # meanwhile, since it takes a while
    )
    try:
        setting = Stage(process, model, screen, show_id, task_queue)
        await setting.begin(process.ready_line)
        yield setting
    finally:
        await process.stop()


def agent_for(model: ModelChoice) -> str:
    """Return the name of the agent that suits a model."""
    return "helper" if model.calls_tools else "assistant"


def dev_arguments(model: ModelChoice) -> list[str]:
    """Return the arguments of `strands-temporal` that serve the agent with this model."""
    target = f"{AGENTS}:{agent_for(model)}"
    kept = ["--db-filename", str(_chats())] if keeps_chats() else []
    return ["dev", target, "--model", "local" if model.needs_llama_server else "auto", *kept]


def keeps_chats() -> bool:
    """Tell whether the demo starts a server of its own, which keeps the conversations in a file."""
    from temporalio.envconfig import ClientConfig

    return not ClientConfig.load_client_connect_config().get("target_host")


def forget_chats() -> None:
    """Remove the conversations of an earlier show."""
    for file in _chats().parent.glob(f"{_chats().name}*"):
        file.unlink(missing_ok=True)


def _chats() -> Path:
    """Return the file with the conversations of the demo's own server."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    cache = Path(os.environ.get("STRANDS_TEMPORAL_CACHE") or f"{base}/strands-temporal").expanduser()
    cache.mkdir(parents=True, exist_ok=True)
    return cache / "demo.db"


def typed(*arguments: str) -> str:
    """Return a `strands-temporal` command as a person types it in the root of the repository."""
    asked = os.environ.get(MODEL_VARIABLE)
    variable = (
        [f"{MODEL_VARIABLE}={asked}"] if asked and arguments[0] == "dev" and "local" not in arguments else []
    )
    script = SCRIPT.relative_to(ROOT) if SCRIPT.is_relative_to(ROOT) else SCRIPT
    return " ".join([*variable, str(script), *arguments]).replace(f"{Path.home()}/", "~/")
