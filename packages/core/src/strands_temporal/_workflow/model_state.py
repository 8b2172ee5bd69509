"""A model's facts as a workflow knows them without a call, and the settings that `update_config` changed."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, cast
from weakref import WeakKeyDictionary

from strands.models import Model
from temporalio import workflow
from typing_extensions import override

from .._errors import AgentTypeError, AgentValueError
from .._upstream.cost import fast_deepcopy
from .._upstream.private_api import ASSUMED_LIMIT, StructuredOutputSupport
from .._upstream.run_local import run_local
from .._wire.model_call import ModelFacts
from .._wire.values import decode, is_json

_SECRET = re.compile(
    r"api_?key|secret|password|credential|authorization|client_args|(^|[_-])token$", re.IGNORECASE
)


def checked_overrides(owner: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings for `update_config` if they may be sent to the worker.

    Raises:
        AgentTypeError: If a value is neither JSON nor bytes.
        AgentValueError: If a setting's name looks like that of a secret.
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
    """The state of one handle in one run.

    Attributes:
        overrides: Settings that `update_config` changed.
        facts: The model's facts, once they are known.
        needs_facts: Whether the next call asks for the facts.
        lacks_facts: Whether nothing is known of the model with its present configuration.
        warned: Names that a warning has already mentioned.
    """

    overrides: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    facts: ModelFacts | None = None
    needs_facts: bool = True
    lacks_facts: bool = True
    warned: set[str] = dataclasses.field(default_factory=set[str])

    def learn(self, facts: ModelFacts) -> None:
        """Keep the facts that the worker returned."""
        self.facts, self.needs_facts, self.lacks_facts = facts, False, False

    def invalidate(self) -> None:
        """Ask for the facts again after a change: a different model id has a different context window."""
        self.needs_facts = self.lacks_facts = True
        if self.facts is not None:
            config = {
                name: value for name, value in self.facts.config.items() if name != "context_window_limit"
            }
            self.facts = dataclasses.replace(self.facts, context_window_limit=None, config=config)


class RunStates:
    """The state of a handle, separate for each run.

    A handle may be created at import and shared by the runs of a worker (unsandboxed, or in a passthrough
    module). State of one run must not reach another run, because a replay of that run would not have the
    state.
    """

    def __init__(self) -> None:
        self._before = RunState()

    @property
    def current(self) -> RunState:
        """The state of this run. Outside of a workflow, the state with which every run begins."""
        if not workflow.in_workflow():
            return self._before
        states = run_local(_StatesOfRun)
        if self not in states:
            states[self] = _copy(self._before)
        return states[self]

    def __getstate__(self) -> RunState:
        """Return the state with which a copy of this object begins. deepcopy and pickle call this."""
        return _copy(self.current)

    def __setstate__(self, state: RunState) -> None:
        """See `__getstate__`."""
        self.__init__()
        self._before = state


class _StatesOfRun(WeakKeyDictionary[RunStates, RunState]):
    """The states of all handles in one run."""


class DescribedModel(StructuredOutputSupport, Model):  # pyright: ignore[reportIncompatibleVariableOverride]  # see StructuredOutputSupport
    """A model with the facts that Strands reads without a call, as the workflow knows them.

    Args:
        stateful: Whether the model keeps the conversation on its own side, if declared.
        context_window_limit: Size of its context window in tokens, if declared.
        config: Further declared settings.
    """

    def __init__(
        self,
        stateful: bool | None,
        context_window_limit: int | None,
        config: Mapping[str, Any] | None,
    ) -> None:
        self._stateful = stateful
        self._declared = dict(config or {})
        if context_window_limit is not None:
            self._declared["context_window_limit"] = context_window_limit
        self._runs = RunStates()

    @property
    @override
    def stateful(self) -> bool:
        """Whether the model keeps the conversation on its own side, as declared or from its first answer."""
        if self._stateful is not None:
            return self._stateful
        facts = self._runs.current.facts
        return facts is not None and facts.stateful

    @property
    @override
    def context_window_limit(self) -> int | None:
        """Size of the model's context window in tokens; None if it is not known yet."""
        limit = self.get_config().get("context_window_limit")
        return limit if isinstance(limit, int) else None

    @override
    def estimate_utilization(self, input_tokens: int) -> float:
        """Return the used part of the context window, as Strands does.

        While the limit is not known yet, it assumes Strands' own default, without Strands' advice to set a
        limit on the model: the worker's model may have one.
        """
        if self.context_window_limit is None and self._runs.current.lacks_facts:
            return input_tokens / ASSUMED_LIMIT
        return super().estimate_utilization(input_tokens)

    @property
    @override
    def enforces_structured_output(self) -> bool:
        """Whether the provider enforces structured output itself; False before its first answer."""
        facts = self._runs.current.facts
        return facts is not None and facts.structured_output

    @property
    def known_facts(self) -> ModelFacts | None:
        """The model's facts, for the next run. None if unknown, or if `update_config` changed the model."""
        state = self._runs.current
        return None if state.overrides or state.lacks_facts else state.facts

    def take_facts(self, facts: ModelFacts) -> None:
        """Begin with the facts of the previous run. The first answer replaces them."""
        state = self._runs.current
        if state.lacks_facts and not state.overrides:
            state.facts, state.lacks_facts = facts, False

    @property
    def config(self) -> dict[str, Any]:
        """The same as `get_config()`. Strands' telemetry reads `model_id` here."""
        return self.get_config()

    @override
    def update_config(self, **model_config: Any) -> None:
        """Change the configuration of the model for the calls of this handle in this run.

        The worker creates a separate model for each configuration. Other handles of the same name keep their
        configuration.

        Raises:
            AgentTypeError: If a value is neither JSON nor bytes, and so cannot be sent.
            AgentValueError: If a setting's name looks like that of a secret: it would be in history.
        """
        state = self._runs.current
        state.overrides.update(checked_overrides(repr(self), model_config))
        state.invalidate()

    @override
    def get_config(self) -> dict[str, Any]:
        """Return the part of the model's configuration that the workflow knows.

        The first answer returns the harmless settings (no keys, no client arguments). Declared settings
        override those, and settings from `update_config` override both.
        """
        state = self._runs.current
        told: dict[str, Any] = {}
        if state.facts is not None:
            told = decode(state.facts.config)
            if state.facts.context_window_limit is not None:
                told["context_window_limit"] = state.facts.context_window_limit
        return {**told, **fast_deepcopy({**self._declared, **state.overrides}, {})}


def _copy(state: RunState) -> RunState:
    return dataclasses.replace(state, overrides=dict(state.overrides), warned=set(state.warned))


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
