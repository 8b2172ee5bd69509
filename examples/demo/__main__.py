"""The demo: `python -m examples.demo` from the root, or `make demo`. With `CHAT=1` you type."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from temporalio.service import RPCError

from examples.demo.chat import chat
from examples.demo.screen import Screen
from examples.demo.settings import NotShownError
from examples.demo.stage import stage
from examples.demo.story import show
from examples.support.model_choice import LOCAL, MODEL_VARIABLE, choose_model
from strands_temporal.testing import DevServerError

_PROGRAMME = (
    "In half a minute: a chat with a {} model, SIGKILL in the middle of an answer, the answer all the "
    "same, and the proof in the history."
)
_YOU_TYPE = "You type, and may kill the process that answers."

_INTERRUPTED = 130  # what a shell expects after Ctrl+C


def main() -> int:
    """Run the demo; return 0 only if everything that it showed really happened."""
    screen = Screen()
    folder = Path(tempfile.mkdtemp(prefix="strands-temporal-demo-"))
    try:
        asyncio.run(_run(screen, folder))
    except (KeyboardInterrupt, asyncio.CancelledError):
        screen.note("\nEnded. Nothing of it runs any more.")
        code = _INTERRUPTED
    except (NotShownError, DevServerError, ChildProcessError, RPCError, asyncio.TimeoutError) as error:
        screen.console.print()
        screen.failed(f"The demo did not do what it promises. {error or type(error).__name__}")
        if _point_at_logs(screen, folder):
            return 1
        code = 1
    else:
        code = 0
    shutil.rmtree(folder, ignore_errors=True)
    return code


async def _run(screen: Screen, folder: Path) -> None:
    task = asyncio.current_task()
    if task:  # as Ctrl+C does: end the children in order
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    typed = os.environ.get("CHAT", "0") not in ("", "0")
    screen.title(
        "strands-temporal: Strands agents that survive the death of their process",
        "A Temporal server records every step; another process goes on from there.",
        _YOU_TYPE if typed else _PROGRAMME.format("scripted" if choose_model().scripted else "real"),
    )
    screen.act(1, "The stage")
    async with stage(screen, folder) as setting:
        await (chat if typed else show)(screen, setting)


def _point_at_logs(screen: Screen, folder: Path) -> bool:
    """Show where to look further; return whether there is anything to look at."""
    logs = sorted(folder.glob("*.log"))
    for log in logs:
        screen.link("log", str(log))
    if logs and not choose_model().needs_llama_server:
        screen.note(f"{MODEL_VARIABLE}={LOCAL} runs the demo with a small model on this machine.")
    return bool(logs)


if __name__ == "__main__":
    sys.exit(main())
