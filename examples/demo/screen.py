"""The demo's output: colour and a spinner in a terminal, plain lines elsewhere."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_STILL_WAITING_EVERY = 10.0  # seconds between progress lines, where there is no spinner
_SPEAKER_WIDTH = 7


class Screen:
    """Writes to the terminal. `width` is for tests; otherwise the terminal's width applies."""

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
        """Show one named fact."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=9, style="dim")
        grid.add_column(overflow="fold")
        grid.add_row(name, escape(value))
        self.console.print(Padding(grid, (0, 0, 0, 2), expand=False))

    def link(self, name: str, url: str) -> None:
        """Show an address on a line of its own, unbroken, so that it can be clicked and copied."""
        self.console.print(f"  [dim]{escape(name)}[/]", Text(url, style=f"cyan link {url}"), soft_wrap=True)

    def note(self, text: str) -> None:
        """Show a remark."""
        self.console.print(Padding(Text(text, style="dim"), (0, 0, 0, 2), expand=False))

    def say(self, text: str) -> None:
        """Show a plain line, which may contain rich's markup."""
        self.console.print(Padding(Text.from_markup(text), (0, 0, 0, 2), expand=False))

    def question(self, text: str) -> None:
        """Show a person's question."""
        self._said("you", "bold", text)

    def answer(self, text: str, seconds: float) -> None:
        """Show the model's answer and how long it took."""
        self._said("agent", "green", text, f"{seconds:.1f} s")

    def moment(self, seconds: float, text: str, style: str = "") -> None:
        """Show an event with its time in seconds since the question."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=8, justify="right", style="dim")
        grid.add_column()
        grid.add_row(f"{seconds:.1f} s", Text(text, style=style))
        self.console.print(grid)

    def command(self, typed: str, output: str = "") -> None:
        """Show a command, unbroken so that it can be copied, and what it printed."""
        self.console.print(Text(f"  $ {typed}", style="bold"), soft_wrap=True)
        for line in output.splitlines():
            style = "bold yellow" if "(attempt " in line else ""
            self.console.print(Text(f"  {line}", style=style), soft_wrap=True)
        if output:
            self.console.print()

    def proven(self, text: str) -> None:
        """Show a claim that was just checked."""
        self._marked("✔", "green", text)

    def failed(self, text: str) -> None:
        """Show an expectation that failed."""
        self._marked("✘", "bold red", text)

    @asynccontextmanager
    async def waiting(self, text: str) -> AsyncGenerator[None]:
        """Show a progress sign while the block runs."""
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

    def _said(self, speaker: str, style: str, text: str, aside: str = "") -> None:
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
