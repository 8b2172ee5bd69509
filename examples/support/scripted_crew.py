"""The scripted model's parts in the research crew. Each member looks at what the others have found."""

import re
from typing import TypeAlias

from strands_temporal.testing import ScriptedCall

CREW_QUESTION = "How did coffee come to Europe?"

CrewStep: TypeAlias = str | tuple[str, dict[str, str], str]
"""A text to say, or a tool's name, its arguments, and the id of the call."""

_MEMBER = re.compile(r"^You are the ([\w ]+) of a research crew\.")
_FOUND = re.compile(r"From (?:historian|merchant):\s+- [^:\n]+: \[scripted\] (.+)")
_SUBJECTS = {"historian": "origin", "merchant": "trade"}


def crew_step(call: ScriptedCall) -> CrewStep | None:
    """Return the next step of a member of the crew; None if the call is of no member.

    Raises:
        ValueError: If the crew is asked another question.
    """
    member = _MEMBER.match(call.system_prompt or "")
    if member is None:
        return None
    name = member[1]
    if name == "planner":
        parts = [f"{who}: the {subject} of coffee" for who, subject in _SUBJECTS.items()]
        if "coffee" not in call.prompt:
            raise ValueError(f"The scripted crew knows {CREW_QUESTION!r} only, not {call.prompt!r}")
        return "; ".join(parts)
    heard = call.text.replace("[scripted] ", "").strip()
    if name in _SUBJECTS:
        return heard.partition(": ")[2] if call.tool_results else _search(call, _SUBJECTS[name])
    if name == "writer":
        draft = " ".join(sorted(_FOUND.findall(call.prompt)))
        return f"{draft} ({heard})" if call.tool_results else ("fact_checker", {"input": draft}, "check-0")
    if not call.tool_results:
        return _search(call, "coffee")
    statements = re.findall(r"[^.]+\.", call.prompt)
    missing = [statement.strip() for statement in statements if statement.strip() not in heard]
    return f"Not in the library: {' '.join(missing)}" if missing else "The library has all of it."


def _search(call: ScriptedCall, words: str) -> CrewStep:
    return "search_library", {"words": words}, f"search-{call.answers}"
