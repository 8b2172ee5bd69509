"""How much a person may send. A workflow keeps it, over all of its runs, so nobody may fill it up."""

import json
from collections.abc import Collection
from typing import Any, cast

LONGEST_REASON = 10_000
"""Characters of a reason."""

LONGEST_NAME = 1_000
"""Characters of a name: of a person, a group or a tool; of a digest; of the id of an early decision; of a
reason that is kept with what is trusted."""

MOST_EARLY = 100
"""Decisions that a workflow keeps for questions that it has not asked yet."""

LARGEST_EARLY = 250_000
"""Bytes of the JSON of these decisions together."""


def too_long(wire: Any) -> str | None:
    """Return which text of a decision, or of a change of the policy, is too long; None if none is.

    Args:
        wire: Its JSON object, well formed.
    """
    to = wire.get("to")
    names = {f"to.{kind}": name for kind, name in to.items()} if isinstance(to, dict) else {}
    names |= {name: wire.get(name) for name in ("by", "tool", "digest")}
    for name, value, most in (
        ("reason", wire.get("reason"), LONGEST_REASON),
        *((name, value, LONGEST_NAME) for name, value in cast("dict[str, Any]", names).items()),
    ):
        if isinstance(value, str) and len(value) > most:
            return f"{name} has {len(value):,} characters, and may have {most:,}"
    return None


def too_much_early(wire: dict[str, Any], kept: Collection[dict[str, Any]]) -> str | None:
    """Return why an early decision cannot be kept beside others; None if it can.

    Args:
        wire: Its JSON object.
        kept: Those of the decisions that are kept.
    """
    if len(wire["id"]) > LONGEST_NAME:
        return f"its id has {len(wire['id']):,} characters, and may have {LONGEST_NAME:,}"
    if len(kept) >= MOST_EARLY:
        return f"{len(kept):,} decisions wait for questions that were not asked yet, which is the most"
    size = sum(len(json.dumps(each)) for each in (wire, *kept))
    if size > LARGEST_EARLY:
        return (
            f"with it, the decisions for questions that were not asked yet have {size:,} bytes of JSON, and "
            f"may have {LARGEST_EARLY:,}"
        )
    return None
