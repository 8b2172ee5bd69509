"""A scripted model for this example, for machines without a key. It is not a real model.

It does what a coding model would do: it runs the tests, reads, edits, and runs the tests again. It looks at
each result, and does not know what to do if the result is another one.
"""

import re

from examples.support.scripted import MARK
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool

COMMAND = 'echo "in: $(pwd)"; python3 -m unittest *_test.py 2>&1'
"""Says where the project is, and tests it."""

_WRONG, _RIGHT = "(100 + discount)", "(100 - discount)"
_THINKS = 1.0  # seconds: long enough to kill the worker meanwhile


def scripted_coder() -> ScriptedModel:
    """Return the scripted model."""
    return ScriptedModel(_next, config={"context_window_limit": 200_000})


def _next(call: ScriptedCall) -> Reply:
    found = re.search(r"in: (/[^\s\\\\\"]+)", str(call.messages))
    path = f"{found[1] if found else ''}/prices.py"
    test = use_tool("shell", {"command": COMMAND}, tool_use_id=f"test-{call.answers}")
    steps = (
        ("", test),
        ("FAILED", use_tool("read", {"path": path}, tool_use_id="read")),
        (_WRONG, use_tool("edit", {"path": path, "old_str": _WRONG, "new_str": _RIGHT}, tool_use_id="edit")),
        ("Edited", test),
        ("OK", say(f"{MARK} A discount made the price larger. Now it makes it smaller.")),
    )
    expected, reply = steps[call.answers]
    if expected not in call.text:
        raise ValueError(f"The scripted coder expected {expected!r}, and got {call.text!r}")
    return reply.after(_THINKS)
