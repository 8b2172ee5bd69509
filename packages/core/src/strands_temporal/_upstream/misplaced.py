"""Recognises errors from Strands code that cannot run in a workflow: a real model, or a late import.

Both make the sandbox raise. Temporal treats such an error as a bug that a deploy will fix, so the workflow
task fails forever and the client sees nothing. This module finds the origin of an error in its traceback.
"""

import traceback
from abc import ABCMeta
from collections.abc import Iterator
from typing import Any

from strands.models import Model
from temporalio import activity, workflow
from temporalio.exceptions import FailureError
from typing_extensions import override

from .._errors import AgentTypeError
from .._wire.failures import STRANDS_EXCEPTIONS
from .bidi import NO_BIDI
from .stand_in import StandIn

_NO_PROVIDERS = frozenset({"model", "routing"})
"""Modules in `strands.models` that do no I/O. Modules with a leading underscore do none either."""

MODEL_HINT = (
    "Write TemporalAgent(model='name'), or strands.Agent(model=TemporalModel('name')), and on the worker "
    "StrandsPlugin(models={'name': lambda: TheModel(...)})"
)

NO_MODEL = (
    "A model would do its I/O inside the workflow: strands.Agent(...) without a model, or with a model's id, "
    f"makes a BedrockModel. {MODEL_HINT}"
)
"""Message for a workflow that created Strands' default model."""


def misplaced(error: BaseException) -> str | None:
    """Return advice if `error` came from Strands code that cannot run in a workflow, else None."""
    # Do not ask `workflow.in_workflow()`: Temporal calls this for an error of a workflow's `__init__` when
    # that workflow is no longer the current one.
    if activity.in_activity() or isinstance(error, FailureError):
        return None
    for module, _ in _modules(error, with_causes=True):
        if module.startswith("strands.bidi."):
            return NO_BIDI
        if _is_provider(module):
            return f"{module} was used inside the workflow, where a model cannot do its I/O. {MODEL_HINT}"
    if _refused_by_the_harness(error):
        return f"create_harness: {error}"
    for module, loading in _modules(error, with_causes=False):
        if loading and module.startswith("strands."):
            return (
                f"{module} cannot be imported while the workflow runs: {error}. Import it at the top of the "
                "workflow's file, in `with workflow.unsafe.imports_passed_through():`"
            )
    return None


def _refused_by_the_harness(error: BaseException) -> bool:
    """Tell whether strands-harness refused the arguments of its agent. Each replay would refuse them too."""
    return isinstance(error, (TypeError, ValueError)) and any(
        frame.f_code.co_name == "create_harness"
        and frame.f_globals.get("__name__") == "strands_harness.agent"
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _is_provider(module: str) -> bool:
    package, _, name = module.partition("strands.models.")
    name = name.partition(".")[0]
    return not package and bool(name) and not name.startswith("_") and name not in _NO_PROVIDERS


def _modules(error: BaseException, *, with_causes: bool) -> Iterator[tuple[str, bool]]:
    """Yield each stack frame's module in an error's traceback, and whether that module was being imported."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        for frame, _ in traceback.walk_tb(link.__traceback__):
            yield str(frame.f_globals.get("__name__", "")), frame.f_code.co_name == "<module>"
        link = link.__cause__ if with_causes else None


class _FailsWorkflow(ABCMeta):
    """Makes `isinstance` accept errors of misplaced Strands code.

    Temporal calls only `isinstance` for an error of a workflow's `__init__`.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        """See base class."""
        return super().__instancecheck__(instance) or (
            isinstance(instance, Exception) and misplaced(instance) is not None
        )


class StrandsError(Exception, metaclass=_FailsWorkflow):
    """Any exception of Strands counts as an instance. Such an exception fails the workflow, not its task.

    One class stands for all of Strands' exceptions, because the sandbox imports every type in
    `workflow_failure_exception_types` again for each workflow.
    """


for _class in STRANDS_EXCEPTIONS.values():
    StrandsError.register(_class)


def misplaced_error(error: BaseException) -> AgentTypeError | None:
    """Return the failure for an error of Strands code that cannot run in a workflow, else None."""
    text = misplaced(error)
    return None if text is None else AgentTypeError(text)


class WorkflowBoto3(StandIn):
    """Stands in for `boto3` in Strands' Bedrock module, because an agent without a model uses Bedrock."""

    @property
    def Session(self) -> Any:  # noqa: N802  # the module's name
        if workflow.in_workflow():
            raise AgentTypeError(NO_MODEL)
        return self._original.Session


class WorkflowAgent(StandIn):
    """Stands in for `Agent` in Strands' swarm module, which may make an agent without giving it a model.

    A swarm does so when its session holds a run that has ended (1.62: swarm.py:1150). The agent is the
    executor of a node that never runs. A workflow cannot make an agent with Strands' default model.
    """

    def __call__(self, **arguments: Any) -> Any:
        if workflow.in_workflow() and not arguments:
            arguments["model"] = _NeverCalled()
        return self._original(**arguments)


class _NeverCalled(Model):
    @override
    def update_config(self, **model_config: Any) -> None: ...

    @override
    def get_config(self) -> dict[str, Any]:
        return {}

    @override
    def stream(self, *args: Any, **kwargs: Any) -> Any:
        raise AgentTypeError(NO_MODEL)

    @override
    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise AgentTypeError(NO_MODEL)
