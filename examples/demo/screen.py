"""What a person sees: colour and a spinner in a terminal, plain lines elsewhere."""

import asyncio
import contextlib
import textwrap
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from examples.demo.history import ModelCallRecord

_STILL_WAITING_EVERY = 10.0  # seconds between lines where a spinner cannot turn
_QUESTION_WIDTH = 31
_SPEAKER_WIDTH = 7


class Screen:
    """Writes to the terminal. `width` is for tests; a terminal's own is found."""

    def __init__(self, width: int | None = None) -> None:
        self.console = Console(width=width, highlight=False)

    def title(self, text: str, *subtitle: str) -> None:
        """Open the show."""
        body = Text(text, style="bold")
        for line in subtitle:
            body.append(f"\n{line}", style="not bold dim")
        self.console.print(Panel(body, border_style="cyan", padding=(0, 2)))

    def act(self, number: int, text: str) -> None:
        """Begin a part of the show."""
        self.console.print()
        self.console.rule(f"[bold cyan]{number}[/]  [bold]{escape(text)}[/]", align="left", style="cyan")

    def fact(self, name: str, value: str) -> None:
        """Say one thing with a name."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=9, style="dim")
        grid.add_column(overflow="fold")
        grid.add_row(name, escape(value))
        self.console.print(Padding(grid, (0, 0, 0, 2), expand=False))

    def link(self, name: str, url: str) -> None:
        """Show an address, on a line of its own that never breaks, so that it can be clicked and copied."""
        self.console.print(f"  [dim]{escape(name)}[/]", Text(url, style=f"cyan link {url}"), soft_wrap=True)

    def note(self, text: str) -> None:
        """Say something aside."""
        self.console.print(Padding(Text(text, style="dim"), (0, 0, 0, 2), expand=False))

    def say(self, text: str) -> None:
        """Say something plainly; it may hold rich's markup."""
        self.console.print(Padding(Text.from_markup(text), (0, 0, 0, 2), expand=False))

    def question(self, text: str) -> None:
        """Show what a person asks."""
        self._speech("you", "bold", text)

    def prompt(self) -> None:
        """Invite a person to type."""
        self.console.print(f"[bold]{'you ▸':>{_SPEAKER_WIDTH}}[/] ", end="")

    def answer(self, text: str, seconds: float) -> None:
        """Show what the model answered, and how long that took."""
        self._speech("agent", "green", text, f"{seconds:.1f} s")

    def moment(self, seconds: float, text: str, style: str = "") -> None:
        """Show what happened when, in seconds since the question."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=8, justify="right", style="dim")
        grid.add_column()
        grid.add_row(f"{seconds:.1f} s", Text(text, style=style))
        self.console.print(grid)

    def calls(self, calls: Sequence[ModelCallRecord]) -> None:
        """Show the model calls that the history holds."""
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
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False))
        self.console.print()

    def counts(self, counts: Counter[str]) -> None:
        """Show how many things there are of each kind, two kinds on a line."""
        table = Table.grid(padding=(0, 2))
        cells = [cell for name, count in counts.most_common() for cell in (f"[dim]{count:>3}[/]", name)]
        for start in range(0, len(cells), 4):
            table.add_row(*cells[start : start + 4])
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False))
        self.console.print()

    def proven(self, text: str) -> None:
        """Say what was just checked."""
        self._marked("✔", "green", text)

    def failed(self, text: str) -> None:
        """Say what did not happen."""
        self._marked("✘", "bold red", text)

    @asynccontextmanager
    async def waiting(self, text: str) -> AsyncGenerator[None]:
        """Show that something takes time, while the block runs."""
        if self.console.is_terminal:
            with self.console.status(escape(text), spinner_style="cyan"):
                yield
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
            self.note(f"{text} ({time.monotonic() - started:.0f} s)")

    def _speech(self, speaker: str, style: str, text: str, aside: str = "") -> None:
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(width=_SPEAKER_WIDTH, justify="right", style=style)
        grid.add_column(ratio=1)
        grid.add_column(justify="right", style="dim", no_wrap=True)
        grid.add_row(f"{speaker} ▸", Text(text, style=style), aside)
        self.console.print(grid)

    def _marked(self, mark: str, style: str, text: str) -> None:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=3, justify="right", style=style)
        grid.add_column()
        grid.add_row(mark, Text(text))
        self.console.print(grid)
