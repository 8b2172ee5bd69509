"""Pieces of text that several commands print: values, times and sizes as a person reads them."""

import json
from datetime import datetime

LONGEST = 300
"""Characters of a value or an error's message in the midst of other text."""


def brief(value: object) -> str:
    """Return a value as JSON in one line."""
    return json.dumps(value, ensure_ascii=False, default=str)


def one_line(text: str) -> str:
    """Return a text without line ends and repeated spaces."""
    return " ".join(text.split())


def cut(text: str, longest: int | None = LONGEST) -> str:
    """Return a text with at most `longest` characters; None does not shorten it."""
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def query_string(text: str) -> str:
    """Return a text as a string of a visibility query."""
    return "'" + text.replace("'", "''") + "'"


def time_text(text: str, *, date: bool = True) -> str:
    """Return a time as a person reads it: "2026-11-30 04:24:12 UTC", or "04:24:12"."""
    return f"{datetime.fromisoformat(text):{'%Y-%m-%d ' if date else ''}%H:%M:%S}{' UTC' if date else ''}"


def count_text(number: int, noun: str) -> str:
    """Return a number of things: "1 turn", "1,200 events"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def seconds_text(seconds: float) -> str:
    """Return a duration as a person reads it: "0.24 s", "4 min 05 s", "3 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


def size_text(size: int) -> str:
    """Return a number of bytes as a person reads it: "812 B", "45.2 KiB", "3.1 MiB"."""
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.1f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.1f} MiB"
