"""Shows an answer on the screen while it arrives, word by word."""

import re

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_LONG_WORD = 16  # cells; this close to the margin, hold a word back until it is complete, to break before it


class Speech:
    """Writes pieces of an answer, wrapped beside its speaker. A piece may end in the middle of a word.

    Args:
        console: Where to write.
        speaker: What the first line begins with; further lines are indented as far.
        style: Style of speaker and text.
    """

    def __init__(self, console: Console, speaker: str, style: str) -> None:
        self._console = console
        self._speaker = f"{speaker} "
        self._style = style
        self._indent = cell_len(self._speaker)
        self._column = 0  # 0: the line has ended
        self._gap = ""
        self._held = ""
        self._begun = False
        self.text = ""

    @property
    def speaking(self) -> bool:
        """Whether a line is open."""
        return self._column > 0

    def write(self, piece: str) -> None:
        """Show the next piece."""
        if not self.text:
            piece = piece.lstrip()
        self.text += piece
        parts: list[str] = re.findall(r"\s+|\S+", self._held + piece)
        self._held = ""
        if parts and self._may_grow_over_the_margin(parts[-1]):
            self._held = parts.pop()
        for part in parts:
            self._put(part)

    def pause(self) -> None:
        """End the line so that other output can follow. The text continues on a new line."""
        self._flush()
        if self.speaking:
            self._console.print()
        self._column, self._gap = 0, ""

    def end(self) -> None:
        """Forget the text: the next piece begins another speech."""
        self.pause()
        self._begun = False
        self.text = ""

    def finish(self, answer: str, aside: str) -> bool:
        """Show the rest of the answer after the text so far, and a remark. Return whether the two agree.

        Shows nothing if they do not agree or if nothing was said.
        """
        said = self.text.strip()
        agrees = bool(said) and (answer.startswith(said) or answer.split() == said.split())
        if agrees:
            self.write(answer[len(said) :] if answer.startswith(said) else "")
            self._flush()
            if self._column + 2 + len(aside) > self._console.width:
                self.pause()
            if not self.speaking:
                self._begin_line()
            self._print(f"  {aside}", "dim")
        self.end()
        return agrees

    def _may_grow_over_the_margin(self, word: str) -> bool:
        near = max(self._column, self._indent) + _LONG_WORD > self._console.width
        return near and not word.isspace() and cell_len(word) < _LONG_WORD

    def _flush(self) -> None:
        held, self._held = self._held, ""
        if held:
            self._put(held)

    def _put(self, part: str) -> None:
        if part.isspace():
            self._gap += part
            return
        gap, self._gap = self._gap, ""
        if self.speaking and "\n" in gap:
            self._console.print("\n" * min(gap.count("\n"), 2), end="")
            self._column = 0
        elif self.speaking and self._column + bool(gap) + cell_len(part) > self._console.width:
            self._console.print()
            self._column = 0
        elif self.speaking and gap:
            self._print(" ", self._style)
        if not self.speaking:
            self._begin_line()
        self._print(part, self._style)

    def _begin_line(self) -> None:
        self._print(" " * self._indent if self._begun else self._speaker, self._style)
        self._begun = True

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style), end="", soft_wrap=True)
        self._column += cell_len(text)
