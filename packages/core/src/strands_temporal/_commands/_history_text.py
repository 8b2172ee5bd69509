"""The lines of `strands-temporal history` for a person."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from ._texts import brief, count_text, cut, one_line, seconds_text, size_text, time_text

_WIDEST = 160  # columns
_KIND = 26  # columns of "model claude", "tool find_order"
_LARGE = 64 * 1024  # bytes; smaller values are not worth a word

Step = Mapping[str, Any]


def history_lines(shown: Mapping[str, Any], *, full: bool) -> Iterator[str]:
    """Yield the lines for what `history.described` returned.

    Args:
        shown: What the command shows.
        full: Whether to show texts in full length; else each step has one line of the terminal.
    """
    width = None if full else min(_WIDEST, shutil.get_terminal_size((120, 24)).columns)
    totals = shown["totals"]
    yield f"{shown['workflow_id']}  {shown['workflow_type']}  {shown['status']}"
    yield (
        f"  on {shown['task_queue']}: {count_text(totals['runs'], 'run')}, "
        f"{count_text(totals['events'], 'event')}, {size_text(totals['bytes'])}"
    )
    yield (
        f"  {count_text(totals['turns'], 'turn')}, {count_text(totals['model_calls'], 'model call')} "
        f"({seconds_text(totals['model_seconds'])}, {totals['input_tokens']:,} tokens in, "
        f"{totals['output_tokens']:,} out), {count_text(totals['tool_calls'], 'tool call')} "
        f"({seconds_text(totals['tool_seconds'])}), {count_text(totals['failed_attempts'], 'failed attempt')}"
    )
    if "missing" in shown:
        yield f"  Not shown: {shown['missing']}"
    for fault in shown["unreadable"]:
        yield (
            f"  Cannot be read: {count_text(fault['values'], 'value')} of encoding {fault['encoding']!r} "
            f"({fault['error']}). Give the workers' converter with --data-converter, or their codec with "
            "--codec-endpoint"
        )
    several = len(shown["runs"]) > 1
    for number, run in enumerate(shown["runs"], 1):
        yield ""
        yield from _run_lines(run, f"run {number} of {len(shown['runs'])}" if several else "run", width)
    yield from _now_lines(shown)


def _run_lines(run: Mapping[str, Any], title: str, width: int | None) -> Iterator[str]:
    yield (
        f"{title}  {run['run_id']}  {time_text(run['started'])}, {seconds_text(run['seconds'])}, "
        f"{count_text(run['events'], 'event')}, {size_text(run['bytes'])}, {run['status']}"
    )
    agents = {step["agent_number"] for step in run["steps"] if step["kind"] == "turn"}
    for step in run["steps"]:
        if step["kind"] == "turn":
            yield cut(f"  {_turn(step, named=len(agents) > 1)}", width)
        elif step["kind"] != "start" and (width is None or not _is_plumbing(step)):
            yield cut(f"    {time_text(step['at'], date=False)}  {_step_text(step, width)}", width)


def _is_plumbing(step: Step) -> bool:
    """Tell whether a step is a signal of Temporal's or this package's own, such as a piece of a stream."""
    return step["kind"] == "signal" and step["name"].startswith("__temporal")


def _turn(step: Step, *, named: bool) -> str:
    agent = step.get("agent") or (f"agent {step['agent_number']}" if named else None)
    of = f" of {agent}" if agent else ""
    if step.get("goes_on"):
        return f"turn {step['turn']}{of} goes on"
    if step.get("fetched"):
        fetched = "the prompt is too large for history: the worker asked the workflow for it"
        return f"turn {step['turn']}{of}  ({fetched})"
    return (
        f"turn {step['turn']}{of}: {one_line(step['prompt'])}"
        if step.get("prompt")
        else f"turn {step['turn']}{of}"
    )


def _step_text(step: Step, width: int | None) -> str:
    try:
        what, text = _WORDS.get(step["kind"], _other)(step)
    except Exception:  # noqa: BLE001  # a value that was damaged, or that somebody else wrote
        what, text = step["kind"], "(has values of another form than is known: --json shows them)"
    took = seconds_text(step["seconds"]) if "seconds" in step else ""
    notes = [
        f"attempt {step['attempts']}" if step.get("attempts", 1) > 1 else None,
        f"{size_text(step['input_bytes'])} in" if step.get("input_bytes", 0) > _LARGE else None,
        f"{size_text(step['result_bytes'])} out" if step.get("result_bytes", 0) > _LARGE else None,
    ]
    note = ", ".join(filter(None, notes))
    return f"{what:<{_KIND}} {took:>8}  {f'({note}) ' if note else ''}{one_line(text)}".rstrip()


def _model(step: Step) -> tuple[str, str]:
    what = f"model {step.get('model', '')}"
    if text := _trouble(step):
        return what, text
    calls = ", ".join(f"{call['tool']} {brief(call['arguments'])}" for call in step["tool_calls"])
    said = " ".join(filter(None, [step["text"].strip(), f"[calls {calls}]" if calls else ""]))
    kinds = "".join(f"[{kind}] " for kind in step.get("other_content", ()))
    tokens = f"{step.get('input_tokens') or 0} in, {step.get('output_tokens') or 0} out"
    reason = "" if step["stop_reason"] in ("end_turn", "tool_use") else f" ({step['stop_reason']})"
    return what, f"{tokens}: {kinds}{said}{reason}"


def _tool(step: Step) -> tuple[str, str]:
    what = f"tool {step['tool']}"
    given = f"{brief(step['arguments'])} " if step.get("arguments") else ""
    if "question" in step:
        return what, f"{given}asks {step['question']['name']}: {_plain(step['question']['reason'])}"
    if text := _trouble(step):
        return what, given + text
    mark = "" if step["status"] == "success" else f"{step['status']}: "
    where = " (in the workflow)" if step.get("where") == "workflow" else ""
    return what, f"{given}-> {mark}{_content(step.get('result'))}{where}"


def _activity(step: Step) -> tuple[str, str]:
    text = _trouble(step) or ""
    return f"{step['kind']} {step['activity']}", " ".join(filter(None, [step.get("summary"), text]))


def _call(step: Step) -> tuple[str, str]:
    given = ", ".join(_plain(value) for value in step.get("arguments", ()))
    ended = _trouble(step) or (f"-> {_plain(step['result'])}" if step.get("result") is not None else "")
    return f"{step['kind']} {step['name']}", f"{given} {ended}".strip()


def _decision(step: Step) -> tuple[str, str]:
    given: Any = step["arguments"][0] if step.get("arguments") else {}
    given = given.get("decision", given) if isinstance(given, dict) else {}
    record: Any = step.get("result") or {}
    who = f" by {record.get('by') or given.get('by')}" if record.get("by") or given.get("by") else ""
    about = record.get("tool") or record.get("name") or given.get("id") or ""
    reason = record.get("reason") or given.get("reason")
    words = f"{record.get('outcome') or given.get('verdict') or 'decided'}{who}: {about}"
    return "decision", " ".join(filter(None, [words, f"({reason})" if reason else None, _trouble(step)]))


def _timer(step: Step) -> tuple[str, str]:
    summary = f"{step['summary']} " if "summary" in step else ""
    return "timer", f"{summary}({seconds_text(step['timer_seconds'])}), {step['status']}"


def _child(step: Step) -> tuple[str, str]:
    return f"child {step['workflow_type']}", f"{step['workflow_id']} {_trouble(step) or step['status']}"


def _end(step: Step) -> tuple[str, str]:
    about = step.get("error", {}).get("message") or step.get("reason") or step.get("result")
    return step["status"], "" if about is None else _plain(about)


def _other(step: Step) -> tuple[str, str]:
    error = step.get("error", {})
    parts = [step.get("cause"), error.get("type"), error.get("message"), step.get("by")]
    return step["kind"], ": ".join(filter(None, parts))


_WORDS: Mapping[str, Callable[[Step], tuple[str, str]]] = {
    "model": _model,
    "tool": _tool,
    "activity": _activity,
    "hook": _activity,
    "update": _call,
    "signal": _call,
    "decision": _decision,
    "timer": _timer,
    "child": _child,
    "end": _end,
    "patch": lambda step: ("patch", step["id"]),
}


def _trouble(step: Step) -> str | None:
    """Return what is to be said of a step that has no answer, or an unreadable one; None of any other."""
    if "unreadable" in step:
        return step["unreadable"]
    if "error" in step:
        return f"{step['status']}: {step['error']['type']}: {step['error']['message']}"
    if step.get("status") in (
        "scheduled",
        "running",
        "waits for a retry",
        "cancelled",
        "timed out",
        "failed",
    ):
        return f"{step['status']}: {step['last_failure']}" if "last_failure" in step else step["status"]
    return None


def _now_lines(shown: Mapping[str, Any]) -> Iterator[str]:
    if task := shown.get("workflow_task"):
        yield ""
        yield (
            f"The workflow stands still: its workflow task fails, attempt {task['attempt']}. The worker's "
            "log says why; `strands-temporal replay` tells whether code fits this history"
        )
    if questions := shown.get("open_questions"):
        yield ""
        yield f"{count_text(len(questions), 'question')} waiting for people:"
        for question in questions:
            call = f"{question.get('tool') or question.get('name')} {brief(question.get('arguments'))}"
            asked = question.get("question")
            yield f"  {question['id']}  {call}" + (f"  {_plain(asked)}" if asked else "")
    if problem := shown.get("open_questions_problem"):
        yield ""
        yield f"Questions wait for people; {problem}"


def _content(blocks: object) -> str:
    """Return a tool's result, which Strands has as content blocks, as text."""
    if not isinstance(blocks, list):
        return _plain(blocks)
    return " ".join(map(_block, cast("list[Any]", blocks)))


def _block(block: Any) -> str:
    parts = list(cast("dict[str, Any]", block).items()) if isinstance(block, dict) else []
    if len(parts) != 1:
        return _plain(cast("Any", block))
    ((kind, value),) = parts
    return _plain(value) if kind in ("text", "json") else f"({kind})"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else brief(value)
