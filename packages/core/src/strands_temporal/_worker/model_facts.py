"""Describes a model to the workflow that calls it.

The description comes back with the first answer of a run, so it is in history. Only settings on a short list
are sent, because a configuration may contain secrets.
"""

from collections.abc import Mapping
from typing import Any, cast

from strands.models import Model
from temporalio import activity

from .._upstream.private_api import enforces_structured_output
from .._wire.model_call import ModelFacts
from .._wire.values import encode, is_json

RECORDED_SETTINGS = frozenset(
    {
        "context_window_limit",
        "frequency_penalty",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "model_id",
        "n",
        "num_ctx",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "stateful",
        "stop",
        "stop_sequences",
        "stream",
        "streaming",
        "temperature",
        "top_k",
        "top_p",
        "use_native_token_count",
    }
)
"""Settings of Strands' providers that only say how the model answers. All others stay on the worker."""


_GROUPS = ("params", "options")
"""Keys under which OpenAI, Anthropic and Ollama keep request settings. `RECORDED_SETTINGS` applies inside
these groups too."""


_LONGEST_TEXT = 500


def describe_model(model: Model) -> ModelFacts:
    """Return the facts about `model` that a workflow may know."""
    try:
        config: Any = model.get_config()
        limit: Any = model.context_window_limit
    except Exception as error:  # noqa: BLE001  # keep the answer: a plain agent would not ask for a configuration
        activity.logger.warning(
            "model=<%s>, error=<%r> | the configuration cannot be read", type(model).__name__, error
        )
        config, limit = {}, None
    return ModelFacts(
        stateful=model.stateful is True,
        context_window_limit=limit if isinstance(limit, int) else None,
        config=encode(safe_config(config)),
        structured_output=enforces_structured_output(model),
    )


def safe_config(config: object) -> dict[str, Any]:
    """Return the part of a model's configuration that may appear in history."""
    if isinstance(config, Mapping):
        settings = cast("Mapping[str, Any]", config)
    else:
        settings = {name: getattr(config, name, None) for name in (*RECORDED_SETTINGS, *_GROUPS)}
    kept = _kept(settings)
    for group in _GROUPS:
        inner = settings.get(group)
        if isinstance(inner, Mapping) and (inside := _kept(cast("Mapping[str, Any]", inner))):
            kept[group] = inside
    return kept


def _kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in settings.items()
        if name in RECORDED_SETTINGS and value is not None and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, cast("list[Any]", value))) and is_json(value)
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    return isinstance(value, (bool, int, float)) and is_json(value)
