"""The plan of a seed: what each run does, and which fault comes when. The same seed gives the same plan."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

KINDS = {
    "kill-worker": 22,
    "kill-all": 3,
    "stop-worker": 14,
    "restart-worker": 8,
    "kill-mcp": 12,
    "kill-reader": 10,
    "kill-server": 5,
    "delay": 8,
    "cut": 14,
    "half": 8,
    "clock": 6,
    "disk-full": 8,
    "deploy": 3,
}
"""Every kind of fault, and how often it comes in a plan, beside the others."""


@dataclass(frozen=True)
class Call:
    """A tool call that the model asks for.

    Attributes:
        tool: Name of the tool.
        word: Its argument. No other call of the seed has the same one.
        inner: What the sub-agent does, if the tool is one.
    """

    tool: str
    word: str
    inner: "tuple[tuple[Call, ...], ...]" = ()

    @property
    def approved(self) -> bool:
        """Whether people allow the call."""
        return sum(self.word.encode()) % 3 > 0


@dataclass(frozen=True)
class Turn:
    """A message of a client, and the steps of the agent that answer it."""

    prompt: str
    steps: tuple[tuple[Call, ...], ...]


@dataclass(frozen=True)
class Run:
    """One conversation.

    Attributes:
        name: Its workflow's id.
        turns: The turns, in order.
        events: Events of history after which it continues as new, also inside a turn; 0 for never.
        read: Whether a reader follows its stream.
        twice: Whether a second client sends each message too, under the same id.
        at_once: Whether all messages are sent at the beginning.
        pace: Seconds that a model call takes, about.
    """

    name: str
    turns: tuple[Turn, ...]
    events: int
    read: bool
    twice: bool
    at_once: bool
    pace: float

    @property
    def calls(self) -> list[Call]:
        """All tool calls, those of sub-agents included."""
        return [call for turn in self.turns for call in _flat(turn.steps)]


def _flat(steps: tuple[tuple[Call, ...], ...]) -> Iterator[Call]:
    for step in steps:
        for call in step:
            yield call
            yield from _flat(call.inner)


@dataclass(frozen=True)
class Fault:
    """A fault of the plan.

    Attributes:
        at: Seconds after the first run began.
        kind: One of `KINDS`.
        where: A number from 0 to 1 that chooses among what may be hit.
        size: A number from 0 to 1: how long, or how far.
    """

    at: float
    kind: str
    where: float
    size: float

    def __str__(self) -> str:
        return f"{self.at:7.2f} s  {self.kind:<14} where {self.where:.2f} size {self.size:.2f}"


@lru_cache(maxsize=4096)
def run_of(name: str) -> Run:
    """Return the run of a name, as in `s7-12`: number 12 of the seed 7."""
    chance = random.Random(name)
    turns = tuple(_turn(chance, f"{name}-{number}") for number in range(chance.choice((1, 1, 1, 2, 3))))
    return Run(
        name=name,
        turns=turns,
        events=chance.choice((0, 0, 0, 25, 40)),
        read=chance.random() < 0.25,
        twice=chance.random() < 0.2,
        at_once=chance.random() < 0.2,
        pace=chance.choice((0.0, 0.05, 0.05, 0.3)),
    )


def run_name(text: str) -> str:
    """Return the run that a prompt, a word or a model call's key belongs to."""
    return "-".join(text.removeprefix("help ").split("-")[:2])


def _turn(chance: random.Random, prompt: str) -> Turn:
    steps = range(chance.choice((0, 1, 1, 1, 2, 3)))
    return Turn(prompt, tuple(_step(chance, f"{prompt}-{step}") for step in steps))


def _step(chance: random.Random, place: str) -> tuple[Call, ...]:
    if chance.random() < 0.2:
        return (Call("shell", f"{place}-0"),)  # alone: a full disk makes the model try the step again
    tools = ["note", "note", "note", "count", "convert", "add", "add", "pay", "pay", "helper"]
    calls: list[Call] = []
    for number in range(chance.choice((1, 1, 2, 3))):
        tool, word = chance.choice(tools), f"{place}-{number}"
        if tool == "helper":
            tools = [name for name in tools if name != "helper"]  # one sub-agent cannot work twice at once
            calls.append(Call(tool, word, ((Call("note", f"{word}-i"),),)))
        else:
            calls.append(Call(tool, word))
    return tuple(calls)


def faults_of(seed: int, kinds: list[str], every: float) -> Iterator[Fault]:
    """Yield the faults of a seed, without an end.

    Args:
        seed: The seed.
        kinds: Which kinds may come.
        every: Seconds between two of them, in the mean.
    """
    chance = random.Random(f"faults of {seed}")
    weights = [KINDS[kind] for kind in kinds]
    at = 2.0
    while kinds:
        at += chance.uniform(0.3, 1.7) * every
        (kind,) = chance.choices(kinds, weights)
        yield Fault(round(at, 2), kind, chance.random(), chance.random())
