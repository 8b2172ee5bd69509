"""The demo's output: colour and a spinner in a terminal, plain lines elsewhere."""

import asyncio
import contextlib
import textwrap
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.status import Status
from rich.table import Table
from rich.text import Text

from examples.demo.history import ModelCallRecord
from examples.demo.speech import Speech

_STILL_WAITING_EVERY = 10.0  # seconds between progress lines, where there is no spinner
_QUESTION_WIDTH = 31
_SPEAKER_WIDTH = 7


class Screen:
    """Writes to the terminal. `width` is for tests; otherwise the terminal's width applies."""

    def __init__(self, width: int | None = None) -> None:
        self.console = Console(width=width, highlight=False)
        self._speech = Speech(self.console, f"{'agent ▸':>{_SPEAKER_WIDTH}}", "green")
        self._spinner: Status | None = None

    def title(self, text: str, *subtitle: str) -> None:
        """Open the show."""
        body = Text(text, style="bold")
        for line in subtitle:
            body.append(f"\n{line}", style="not bold dim")
        self._print(Panel(body, border_style="cyan", padding=(0, 2)))

    def act(self, number: int, text: str) -> None:
        """Begin a part of the show."""
        self._print()
        self.console.rule(f"[bold cyan]{number}[/]  [bold]{escape(text)}[/]", align="left", style="cyan")

    def fact(self, name: str, value: str) -> None:
        """Show one named fact."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=9, style="dim")
        grid.add_column(overflow="fold")
        grid.add_row(name, escape(value))
        self._print(Padding(grid, (0, 0, 0, 2), expand=False))

    def link(self, name: str, url: str) -> None:
        """Show an address on a line of its own, unbroken, so that it can be clicked and copied."""
        self._print(f"  [dim]{escape(name)}[/]", Text(url, style=f"cyan link {url}"), soft_wrap=True)

    def note(self, text: str) -> None:
        """Show a remark."""
        self._print(Padding(Text(text, style="dim"), (0, 0, 0, 2), expand=False))

    def say(self, text: str) -> None:
        """Show a plain line, which may contain rich's markup."""
        self._print(Padding(Text.from_markup(text), (0, 0, 0, 2), expand=False))

    def question(self, text: str) -> None:
        """Show a person's question."""
        self._said("you", "bold", text)

    def prompt(self) -> None:
        """Invite a person to type."""
        self._print(f"[bold]{'you ▸':>{_SPEAKER_WIDTH}}[/] ", end="")

    def hear(self, piece: str) -> None:
        """Show a piece of an answer as soon as it arrives."""
        if self._spinner:
            self._spinner.stop()
        self._speech.write(piece)

    def pause_speech(self) -> None:
        """Continue the speech on a new line, because something else is written into the current one."""
        self._speech.pause()

    def end_speech(self, note: str = "") -> None:
        """End the speech so far. If there was any, say why it ends."""
        said = bool(self._speech.text)
        self._speech.end()
        if said and note:
            self.note(note)

    def answer(self, text: str, seconds: float) -> None:
        """Show the model's answer, or the part that was not heard yet, and how long it took."""
        aside = f"{seconds:.1f} s"
        heard = bool(self._speech.text)
        if self._speech.finish(text, aside):
            return
        if heard:
            self.note("(not all of it arrived; the whole answer:)")
        self._said("agent", "green", text, aside)

    def moment(self, seconds: float, text: str, style: str = "") -> None:
        """Show an event with its time in seconds since the question."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=8, justify="right", style="dim")
        grid.add_column()
        grid.add_row(f"{seconds:.1f} s", Text(text, style=style))
        self._print(grid)

    def calls(self, calls: Sequence[ModelCallRecord]) -> None:
        """Show the model calls in the history."""
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("Event", justify="right")
        table.add_column("Question")
        table.add_column("Completed by", no_wrap=True)
        table.add_column("Attempt", justify="right", no_wrap=True)
        table.add_column("Took", justify="right", no_wrap=True)
        for call in calls:
            table.add_row(
                str(call.event_id),
                Text(textwrap.shorten(call.question, _QUESTION_WIDTH, placeholder=" …")),
                Text(call.worker),
                str(call.attempt),
                f"{call.seconds:.2f} s",
                style="bold yellow" if call.attempt > 1 else "",
            )
        self._print(Padding(table, (0, 0, 0, 2), expand=False))
        self._print()

    def counts(self, counts: Counter[str]) -> None:
        """Show the count of each kind, two kinds on a line."""
        table = Table.grid(padding=(0, 2))
        cells = [cell for name, count in counts.most_common() for cell in (f"[dim]{count:>3}[/]", name)]
        for start in range(0, len(cells), 4):
            table.add_row(*cells[start : start + 4])
        self._print(Padding(table, (0, 0, 0, 2), expand=False))
        self._print()

    def proven(self, text: str) -> None:
        """Show a claim that was just checked."""
        self._marked("✔", "green", text)

    def failed(self, text: str) -> None:
        """Show an expectation that failed."""
        self._marked("✘", "bold red", text)

    @asynccontextmanager
    async def waiting(self, text: str) -> AsyncGenerator[None]:
        """Show a progress sign while the block runs, or until an answer is heard."""
        if self.console.is_terminal and self._speech.speaking:  # an arriving answer shows progress as well
            yield
            return
        if self.console.is_terminal:
            with self.console.status(escape(text), spinner_style="cyan") as self._spinner:
                try:
                    yield
                finally:
                    self._spinner = None
            return
        ticker = asyncio.create_task(self._still_waiting(text))
        try:
            yield
        finally:
            ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticker

    async def _still_waiting(self, text: str) -> None:
        started = time.monotonic()
        while True:
            await asyncio.sleep(_STILL_WAITING_EVERY)
            if not self._speech.speaking:
                self.note(f"{text} ({time.monotonic() - started:.0f} s)")

    def _print(self, *objects: Any, end: str = "\n", soft_wrap: bool = False) -> None:
        self._speech.pause()
        self.console.print(*objects, end=end, soft_wrap=soft_wrap)

    def _said(self, speaker: str, style: str, text: str, aside: str = "") -> None:
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(width=_SPEAKER_WIDTH, justify="right", style=style)
        grid.add_column(ratio=1)
        grid.add_column(justify="right", style="dim", no_wrap=True)
        grid.add_row(f"{speaker} ▸", Text(text, style=style), aside)
        self._print(grid)

    def _marked(self, mark: str, style: str, text: str) -> None:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=3, justify="right", style=style)
        grid.add_column()
        grid.add_row(mark, Text(text))
        self._print(grid)
