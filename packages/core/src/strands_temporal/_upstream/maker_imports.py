"""Checks when a worker starts that its workflows can import the functions that make agents.

Temporal loads each workflow's file in the sandbox when a Worker is built or a Replayer replays, and refuses
one that does not load. It knows nothing of the functions in `StrandsPlugin(agents=...)`, which a workflow
imports when it begins. Without this check such a workflow's task would fail again and again.
"""

import copy
import dataclasses
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, ClassVar

from temporalio.worker import (
    WorkflowInboundInterceptor,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)

from .sandbox import import_again
from .unloadable import maker_error

Makers = Mapping[str, Callable[..., Any]]
"""Functions that make agents, by the agents' names."""


def checking_makers(runner: WorkflowRunner, workflow: type, makers: Makers) -> WorkflowRunner:
    """Return a copy of a runner that also imports `makers` when it prepares `workflow`, in a sandbox each.

    The copy's class is a subclass of the runner's class, because other plugins change such a runner with
    `dataclasses.replace`. A runner without a sandbox imports nothing.

    Args:
        runner: The runner.
        workflow: The workflow that calls the makers.
        makers: The makers.
    """
    if isinstance(runner, _ChecksMakers) and runner.strands_makers == (workflow, makers):
        return runner
    cls = type(runner)
    names = {"__slots__": (), "__module__": cls.__module__, "strands_makers": (workflow, makers)}
    same = copy.copy(runner)
    object.__setattr__(same, "__class__", type(cls.__name__, (_ChecksMakers, cls), names))  # it is frozen
    return same


class _ChecksMakers(WorkflowRunner):
    """Mixin that `checking_makers` adds to a runner."""

    __slots__ = ()

    strands_makers: ClassVar[tuple[type, Makers]]

    def prepare_workflow(self, defn: Any) -> None:
        """See base class.

        Raises:
            UnloadableModuleError: If a maker cannot be imported in the sandbox.
        """
        super().prepare_workflow(defn)  # pyright: ignore[reportAbstractUsage]  # the runner's own
        workflow, makers = self.strands_makers
        if defn.cls is not workflow:
            return
        one_of_each_module = {maker.__module__: name for name, maker in makers.items()}
        for module, name in one_of_each_module.items():
            token = _importing.set(makers[name])
            try:
                super().prepare_workflow(defn)  # pyright: ignore[reportAbstractUsage]  # the runner's own
            except Exception as error:
                raise maker_error(name, module, error) from error
            finally:
                _importing.reset(token)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See base class."""
        maker = _importing.get()
        if maker is not None:
            classes = [*det.interceptor_classes, _importer_of(maker)]
            det = dataclasses.replace(det, interceptor_classes=classes)
        return super().create_instance(det)  # pyright: ignore[reportAbstractUsage]  # the runner's own


_importing: ContextVar[Callable[..., Any] | None] = ContextVar("strands_temporal_importing", default=None)
"""The maker to import in the instance that is being created, which is never run."""


def _importer_of(maker: Callable[..., Any]) -> type[WorkflowInboundInterceptor]:
    """Return an interceptor that imports `maker`: its constructor runs in the instance's sandbox."""

    class Importer(WorkflowInboundInterceptor):
        def __init__(self, next: WorkflowInboundInterceptor) -> None:
            super().__init__(next)
            import_again(maker)

    return Importer
