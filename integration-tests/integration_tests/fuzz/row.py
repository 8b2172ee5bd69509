"""A row of the table of decoders, and how a row is run."""

import gc
import signal
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationError

from .damage import damaged, damaged_bytes, damaged_text, json_text

LONGEST = 10
"""Seconds after which a decoder hangs."""


@dataclass(frozen=True)
class Row:
    """One decoder.

    Attributes:
        name: What it decodes.
        decode: The decoder, called with a damaged value.
        seeds: Good values, which `decode` takes.
        errors: The errors that it may raise. Each of them says something.
        kind: "json" for JSON values, "text" and "bytes" for texts and bytes, "json text" and "json bytes" for
            the JSON of damaged values, or that JSON damaged as text.
    """

    name: str
    decode: Callable[[Any], object]
    seeds: Sequence[Any]
    errors: tuple[type[Exception], ...] = ()
    kind: Literal["json", "text", "bytes", "json text", "json bytes"] = "json"

    @property
    def good(self) -> Sequence[Any]:
        """The seeds as `decode` takes them."""
        texts = [json_text(each) for each in self.seeds] if "json " in self.kind else self.seeds
        return [_to_bytes(each) for each in texts] if self.kind == "json bytes" else texts

    def strategy(self) -> "st.SearchStrategy[Given]":
        """Return the strategy for damaged values."""
        if self.kind == "json":
            values = damaged(self.seeds)
        elif self.kind == "text":
            values = damaged_text(self.seeds)
        elif self.kind == "bytes":
            values = damaged_bytes(self.seeds)
        else:
            texts = damaged(self.seeds).map(json_text) | damaged_text([json_text(s) for s in self.seeds])
            values = texts if self.kind == "json text" else texts.map(_to_bytes)
        return values.map(Given)

    def check(self, value: Any) -> None:
        """Decode a value. Raises what is no promised error."""
        with _bounded(self.name):
            try:
                self.decode(value)
            except self.errors as error:
                if not str(error).strip():
                    raise AssertionError(f"{self.name}: {type(error).__name__} says nothing") from error
                if not isinstance(error, ApplicationError) and not _is_raised_on_purpose(error):
                    raise

    def run(self, examples: int, number: int = 0) -> None:
        """Check that many damaged values. The same number gives the same values."""

        @seed(number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=_ALL_CHECKS,
            print_blob=False,
        )
        @given(self.strategy())
        def check(given: Given) -> None:
            self.check(given.value)

        check()

    def run_for(self, seconds: float, number: int) -> int:
        """Check damaged values for about that long. Return how many."""
        until, count = time.monotonic() + seconds, 0
        gc.collect()
        gc.freeze()  # what the packages have loaded need not be looked at again and again
        while time.monotonic() < until:
            self.run(_A_ROUND, number + count)
            count += _A_ROUND
        return count


_A_ROUND = 200

_ALL_CHECKS = [
    HealthCheck.too_slow,
    HealthCheck.filter_too_much,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
]


class Given:
    """A damaged value. Its text is short, and written without recursion."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        value = self.value
        text = repr(value) if isinstance(value, (str, bytes)) else json_text(value)
        return text if len(text) < 2_000 else f"{text[:2_000]}... ({len(text):,} characters)"


def _is_raised_on_purpose(error: Exception) -> bool:
    """Tell whether a `raise` statement of ours raised an error of a builtin class, and no accident did."""
    if type(error) not in (ValueError, TypeError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    return "strands_temporal" in frames[-1].filename and (frames[-1].line or "").startswith("raise")


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@contextmanager
def _bounded(name: str) -> Generator[None]:
    def stop(*_: object) -> None:
        raise AssertionError(f"{name}: still decoding after {LONGEST} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
