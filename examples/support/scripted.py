"""A scripted model for the examples, for machines without a key. It is not a real model.

It looks at what it is given. If the prompt asks for tools that the agent has, in words that it knows, it
calls them and then says their results. It answers a few questions without a tool. For anything else it fails
with a sentence that says what it knows.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from strands.types.tools import ToolSpec

from examples.support.scripted_crew import crew_step
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tools

MARK = "[scripted]"
"""Begins each answer, so that nobody takes it for a real model's."""

_CHUNK, _GAP = 8, 0.04  # characters, and seconds: an answer can be seen to arrive, and a call can be killed


def scripted_model() -> ScriptedModel:
    """Return the scripted model. One function answers every call, from the conversation that it gets."""
    return ScriptedModel(_answer)


@dataclass(frozen=True)
class _Known:
    """A prompt that the model knows.

    Attributes:
        sample: Such a prompt, for a person.
        pattern: What a prompt must contain.
        make: Makes the answer, or the tool's arguments. By default the arguments are the pattern's groups.
    """

    sample: str
    pattern: str
    make: Callable[[re.Match[str]], Any] = re.Match.groupdict

    def result(self, prompt: str) -> Any:
        """Return what `make` makes of the prompt, or None if the pattern does not match."""
        found = re.search(self.pattern, prompt)
        return self.make(found) if found else None


_ZONES = {
    "London": "Europe/London",
    "New York": "America/New_York",
    "Tokyo": "Asia/Tokyo",
    "Zurich": "Europe/Zurich",
}
_DAYS = {"a weekend": 2, "a week": 7, "two weeks": 14}
_CAPITALS = {
    "Austria": "Vienna",
    "Canada": "Ottawa",
    "France": "Paris",
    "Germany": "Berlin",
    "Italy": "Rome",
    "Japan": "Tokyo",
    "Kenya": "Nairobi",
    "Spain": "Madrid",
    "Switzerland": "Bern",
}


def _one_of(names: Mapping[str, Any]) -> str:
    return "|".join(map(re.escape, names))


_TOOLS = {
    "letter_counter": _Known(
        "How often does the letter r occur in strawberry?", r"letter (?P<letter>\w) occurs? in (?P<word>\w+)"
    ),
    "free_disk_space": _Known("How much space is free on the disk of /?", r"disk of (?P<path>/[^\s?,]*)"),
    "current_time": _Known(
        "What time is it in Tokyo?",
        rf"time is it in ({_one_of(_ZONES)})",
        lambda found: {"timezone": _ZONES[found[1]]},
    ),
    "echo": _Known(
        "Use the echo tool with the message: durable execution", r"(?:message|words): (?P<message>.+)"
    ),
    "delete_file": _Known(
        "Delete the file /tmp/report.txt, please.", r"[Dd]elete the file (?P<path>[^\s,]+)"
    ),
    "refund": _Known(
        "Please refund 800 euros for order 17.",
        r"refund (\d+) euros for order (\w+)",
        lambda found: {"order": found[2], "euros": int(found[1])},
    ),
    "delete_thing": _Known(
        "Delete the thing called 'old-backup', please.", r"[Dd]elete the thing called '(?P<name>[^']+)'"
    ),
    "Trip": _Known(
        "We leave for Lisbon on the second of May and are back after a week.",
        rf"leave for (\w+) on the [\w-]+ of (\w+) .*after ({_one_of(_DAYS)})",
        lambda found: {"city": found[1], "month": found[2], "days": _DAYS[found[3]]},
    ),
}
"""Prompts for tools, by the tool's name. A Pydantic class for the answer is a tool with that class's name."""

_HAIKU = "The worker is gone.\nEach step waits in its history.\nAnother goes on."

_QUESTIONS = (
    _Known(
        "What is the capital of France?",
        rf"capital of ({_one_of(_CAPITALS)})\b",
        lambda found: f"The capital of {found[1]} is {_CAPITALS[found[1]]}.",
    ),
    _Known(
        "What is the largest ocean on Earth?", r"largest ocean", lambda _: "The largest ocean is the Pacific."
    ),
    _Known(
        "Count from 1 to 5.",
        r"Count from (\d{1,3}) to (\d{1,3})\b",
        lambda found: " ".join(f"{number}." for number in range(int(found[1]), int(found[2]) + 1)),
    ),
    _Known("Write a haiku about durable execution.", r"haiku about durable execution", lambda _: _HAIKU),
    _Known(
        "Write a short story about an old clock.",
        r"\bstory(?: about (.+?))?[.?!]*$",
        lambda found: _story(found[1] or "a worker that was killed"),
    ),
)
"""Prompts that need no tool."""

_ASKED_BEFORE = "What did I ask before?"

_SYSTEM_PROMPTS = (
    None,
    "Answer in one short sentence.",
    "Use your tools. Answer in one short sentence.",
    "You are a helpful assistant. Keep your answers short.",
)
"""What the script follows. An example with another system prompt needs a real model."""


def _answer(call: ScriptedCall) -> Reply:
    if (step := crew_step(call)) is not None:
        return _say(step) if isinstance(step, str) else use_tools([step])
    if call.system_prompt not in _SYSTEM_PROMPTS:
        raise ValueError(
            f"The scripted model cannot follow the system prompt {call.system_prompt!r}. {_REAL}"
        )
    if call.tool_results:
        return _say("; ".join(call.text.splitlines()))
    if calls := [found for spec in call.tool_specs if (found := _tool_call(spec, call))]:
        return use_tools(calls)
    if call.prompt == _ASKED_BEFORE:
        return _say(_asked_before(call))
    for known in _QUESTIONS:
        if (text := known.result(call.prompt)) is not None:
            return _say(text)
    raise ValueError(_unknown(call))


def _say(text: str) -> Reply:
    return say(f"{MARK} {text}", chunk=_CHUNK).after(gap=_GAP)


def _tool_call(spec: ToolSpec, call: ScriptedCall) -> tuple[str, dict[str, Any], str] | None:
    """Return a call of the tool, if the prompt asks for it. Its id is new in the conversation."""
    name = spec["name"]
    arguments = _TOOLS[name].result(call.prompt) if name in _TOOLS else None
    if arguments is None:
        return None
    schema = cast("Mapping[str, Mapping[str, object]]", spec["inputSchema"]["json"])
    parameters = set(schema["properties"])
    if parameters != set(arguments):
        raise ValueError(
            f"The scripted model knows a tool {name!r} with {sorted(arguments)}, but this one takes "
            f"{sorted(parameters)}. {_REAL}"
        )
    return name, arguments, f"{name}-{call.answers}"


def _asked_before(call: ScriptedCall) -> str:
    texts = [
        block["text"]
        for message in call.messages[:-1]
        if message["role"] == "user"
        for block in message["content"]
        if "text" in block
    ]
    return " ".join(texts) or "Nothing."


def _story(topic: str) -> str:
    return (
        f"This story is about {topic}. It began on a quiet evening. Nobody had told it that its worker would "
        "die in the middle of a sentence. But what the listeners had asked for was written down. So another "
        "worker told the story from its start. They waited for a few seconds, and heard the whole of it. "
        f"That is all there is to tell about {topic}."
    )


def _unknown(call: ScriptedCall) -> str:
    samples = [_TOOLS[name].sample for name in call.tool_names if name in _TOOLS]
    samples += [known.sample for known in _QUESTIONS] + [_ASKED_BEFORE]
    listed = "\n".join(f"  {sample}" for sample in samples)
    return f"The scripted model does not know what to answer to {call.prompt!r}. {_REAL} It knows:\n{listed}"


_REAL = "Take a real model: a key in the worker's environment, or STRANDS_TEMPORAL_MODEL=local."
