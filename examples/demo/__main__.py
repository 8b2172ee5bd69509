"""The demo: `python -m examples.demo` from the root, or `make demo`. With `CHAT=1` you type."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from temporalio.exceptions import TemporalError

from examples.demo.screen import Screen
from examples.demo.stage import SCRIPT, NotShownError, dev_arguments, forget_chats, stage
from examples.support.child import ROOT
from examples.support.model_choice import LOCAL, MODEL_VARIABLE, choose_model

_TITLE = "strands-temporal: Strands agents that survive the death of their process"
_SUBTITLE = "A Temporal server records every step; another process goes on from there."
_PROGRAMME = (
    "In half a minute: a chat with a {} model, SIGKILL in the middle of an answer, the answer all the "
    "same, and the proof in the history."
)
_YOU_TYPE = (
    "You type. /kill-worker kills the process that answers, also in the middle of an answer. Change "
    "examples/demo/agents.py, and the next answer is of the changed agent."
)

_INTERRUPTED = 130  # what a shell expects after Ctrl+C


def main() -> int:
    """Run the demo; return 0 only if everything that it showed really happened."""
    screen = Screen()
    if os.environ.get("CHAT", "0") not in ("", "0"):
        return _chat(screen)
    folder = Path(tempfile.mkdtemp(prefix="strands-temporal-demo-"))
    try:
        asyncio.run(_show(screen, folder))
    except (KeyboardInterrupt, asyncio.CancelledError):
        screen.note("\nEnded. Nothing of it runs any more.")
        code = _INTERRUPTED
    except (NotShownError, TemporalError, OSError, asyncio.TimeoutError) as error:
        screen.console.print()
        screen.failed(f"The demo did not do what it promises. {error or type(error).__name__}")
        if _point_at_logs(screen, folder):
            return 1
        code = 1
    else:
        code = 0
    shutil.rmtree(folder, ignore_errors=True)
    return code


def _chat(screen: Screen) -> int:
    """Become `strands-temporal dev --chat`."""
    screen.title(_TITLE, _SUBTITLE, _YOU_TYPE)
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execv(SCRIPT, [str(SCRIPT), *dev_arguments(choose_model()), "--chat"])  # noqa: S606  # it is the point


async def _show(screen: Screen, folder: Path) -> None:
    task = asyncio.current_task()
    if task:  # as Ctrl+C does: end the children in order
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    model = choose_model()
    screen.title(_TITLE, _SUBTITLE, _PROGRAMME.format("scripted" if model.scripted else "real"))
    screen.act(1, "The stage")
    forget_chats()
    async with stage(screen, folder, model) as setting:
        from examples.demo.story import show  # imported by now

        await show(screen, setting)


def _point_at_logs(screen: Screen, folder: Path) -> bool:
    """Show where to look further; return whether there is anything to look at."""
    logs = [log for log in sorted(folder.glob("*.log")) if log.stat().st_size]
    for log in logs:
        screen.link("log", str(log))
    if logs and not choose_model().needs_llama_server:
        screen.note(f"{MODEL_VARIABLE}={LOCAL} runs the demo with a small model on this machine.")
    return bool(logs)


if __name__ == "__main__":
    sys.exit(main())
