"""The tokens of one run, in AG-UI's accounting."""

from collections.abc import Mapping, Sequence
from typing import Any

from ag_ui.core import TokenUsage


class RunUsage:
    """Adds up the tokens of a run's model calls, one entry for each model."""

    def __init__(self) -> None:
        self._entries: dict[str | None, dict[str, int]] = {}

    def add(self, model: str | None, usage: Mapping[str, Any]) -> None:
        """Add the tokens of one model call, with Strands' names."""
        given = {name: value for name, value in usage.items() if isinstance(value, int)}
        output = given.get("outputTokens", 0)
        entry = {
            # Some providers count cached input beside `inputTokens`. AG-UI counts it within.
            "input_tokens": max(given.get("inputTokens", 0), given.get("totalTokens", 0) - output),
            "output_tokens": output,
            "cached_input_tokens": given.get("cacheReadInputTokens", 0),
            "cache_write_input_tokens": given.get("cacheWriteInputTokens", 0),
        }
        total = self._entries.setdefault(model, dict.fromkeys(entry, 0))
        for name, count in entry.items():
            total[name] += count

    def fill(self, turn: Mapping[str, Any], models: Sequence[str]) -> None:
        """Take the tokens of the whole turn, if no model call told its own: for workers of older releases."""
        if not self._entries and turn.get("total_tokens"):
            names = ("input", "output", "total")
            usage = {f"{name}Tokens": turn.get(f"{name}_tokens", 0) for name in names}
            self.add(models[0] if len(models) == 1 else None, usage)

    def entries(self) -> list[TokenUsage]:
        """Return the tokens, one entry for each model; none if nothing is known."""
        return [
            TokenUsage(
                model=model,
                input_tokens=counts["input_tokens"],
                output_tokens=counts["output_tokens"],
                total_tokens=counts["input_tokens"] + counts["output_tokens"],
                cached_input_tokens=counts["cached_input_tokens"] or None,
                cache_write_input_tokens=counts["cache_write_input_tokens"] or None,
            )
            for model, counts in self._entries.items()
        ]
