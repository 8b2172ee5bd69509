"""What a workflow knows of a model on the worker: its facts, and what `update_config` changed.

`facts_of` reads them on the worker, once per run and handle; they come back with the first answer and so
stand in history. Only what is on a short list crosses: a configuration may hold keys.
"""

import asyncio
import dataclasses
import re
from collections.abc import Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary

from strands.models import Model
from temporalio import activity, workflow

from .._errors import AgentTypeError, AgentValueError
from .._upstream.install import enforces_structured_output
from .._wire.model_call import ModelFacts
from .._wire.values import encode, is_json

HARMLESS_SETTINGS = frozenset(
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
"""Settings of Strands' providers that say how the model answers, and no more. All others stay there."""

_GROUPS = ("params", "options")
"""Where OpenAI, Anthropic and Ollama keep settings of the request: the same list holds inside."""

_LONGEST_TEXT = 500

_SECRET = re.compile(
    r"api_?key|secret|password|credential|authorization|client_args|(^|[_-])token$", re.IGNORECASE
)


def facts_of(model: Model) -> ModelFacts:
    """Return what a workflow may know of `model`. Runs on the worker."""
    try:
        config: Any = model.get_config()
        limit: Any = model.context_window_limit
    except Exception as error:  # noqa: BLE001  # the answer is paid for; a plain agent would not have asked
        activity.logger.warning(
            "model=<%s>, error=<%r> | no configuration to tell", type(model).__name__, error
        )
        config, limit = {}, None
    return ModelFacts(
        stateful=model.stateful is True,
        context_window_limit=limit if isinstance(limit, int) else None,
        config=encode(harmless(config)),
        structured_output=enforces_structured_output(model),
    )


def harmless(config: object) -> dict[str, Any]:
    """Return the part of a model's configuration that may stand in a history."""
    if isinstance(config, Mapping):
        settings = cast("Mapping[str, Any]", config)
    else:
        settings = {name: getattr(config, name, None) for name in (*HARMLESS_SETTINGS, *_GROUPS)}
    kept = _kept(settings)
    for group in _GROUPS:
        inner = settings.get(group)
        if isinstance(inner, Mapping) and (inside := _kept(cast("Mapping[str, Any]", inner))):
            kept[group] = inside
    return kept


def checked_overrides(owner: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a user gave to `update_config` if it may cross to the worker. Runs in the workflow.

    Raises:
        AgentTypeError: If a value is neither JSON nor bytes.
        AgentValueError: If a name says that the value is a secret.
    """
    for name, value in settings.items():
        secret = _secret_name({name: value})
        if secret is not None:
            raise AgentValueError(
                f"{owner}.update_config({name}=...): {secret!r} would be written into the workflow's "
                "history. Set it in the factory in StrandsPlugin(models=...), on the worker"
            )
        if not is_json(value):
            raise AgentTypeError(
                f"{owner}.update_config({name}=...): a {type(value).__name__} cannot cross to the worker, "
                "only JSON values and bytes can. Set it in the factory in StrandsPlugin(models=...), under a "
                "second name if need be"
            )
    return dict(settings)


@dataclasses.dataclass
class RunState:
    """What one handle has learned in one run.

    Attributes:
        overrides: What `update_config` changed.
        facts: The model's facts, once an answer brought them.
        asks: Whether the next call is to bring them.
        warned: What was named in a warning before.
    """

    overrides: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    facts: ModelFacts | None = None
    asks: bool = True
    warned: set[str] = dataclasses.field(default_factory=set[str])

    def outdate(self) -> None:
        """Note that the configuration has changed: another model id has another context window."""
        self.asks = True
        if self.facts is not None:
            config = {
                name: value for name, value in self.facts.config.items() if name != "context_window_limit"
            }
            self.facts = dataclasses.replace(self.facts, context_window_limit=None, config=config)


class RunStates:
    """The state of a handle, for each run its own.

    A handle may be made at import and shared by the runs of a worker (unsandboxed, or in a module that passes
    through the sandbox). What one run learned must not reach another: a replay would not know it.
    """

    def __init__(self) -> None:
        self._before = RunState()
        self._runs: WeakKeyDictionary[asyncio.AbstractEventLoop, RunState] = WeakKeyDictionary()

    @property
    def current(self) -> RunState:
        """The state of this run; outside a workflow what every run begins with."""
        if not workflow.in_workflow():
            return self._before
        loop = asyncio.get_running_loop()  # the run's own
        if loop not in self._runs:
            self._runs[loop] = _copy(self._before)
        return self._runs[loop]

    def __getstate__(self) -> RunState:
        """Return what a copy begins with: deepcopy and pickle come here."""
        return _copy(self.current)

    def __setstate__(self, state: RunState) -> None:
        """See `__getstate__`."""
        self.__init__()
        self._before = state


def _copy(state: RunState) -> RunState:
    return dataclasses.replace(state, overrides=dict(state.overrides), warned=set(state.warned))


def _kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in settings.items()
        if name in HARMLESS_SETTINGS and value is not None and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, cast("list[Any]", value))) and is_json(value)
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    return isinstance(value, (bool, int, float)) and is_json(value)


def _secret_name(value: Any) -> str | None:
    """Return the first key in `value`, at any depth, that names a secret."""
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[Any, Any]", value).items():
            if _SECRET.search(str(key)):
                return str(key)
            if (inner := _secret_name(item)) is not None:
                return inner
    if isinstance(value, (list, tuple)):
        return next(filter(None, map(_secret_name, cast("list[Any]", value))), None)
    return None
