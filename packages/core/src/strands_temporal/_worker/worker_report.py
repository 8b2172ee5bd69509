"""Answers `strands-temporal doctor`: the versions of this worker, and the value that it was given."""

import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from temporalio import activity

from .._wire.extras import NAMES as EXTRAS
from .._wire.worker_report import REPORT_ACTIVITY, WorkerReport
from .client import worker_client

PACKAGES = (
    "strands-temporal",
    *(f"strands-temporal-{extra}" for extra in EXTRAS),
    "strands-agents",
    "temporalio",
)


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that matter and are installed."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # noqa: PERF203  # an extra that is not installed
            continue
    return found


class WorkerReports:
    """The activity by which a worker tells about itself.

    Args:
        models: Returns the names of the worker's models.
    """

    def __init__(self, models: Callable[[], Sequence[str]]) -> None:
        self._models = models

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """The activity."""
        return [self.report_strands_worker]

    @activity.defn(name=REPORT_ACTIVITY)
    async def report_strands_worker(self, echo: Any) -> dict[str, Any]:
        """Return a `WorkerReport` as it is sent."""
        client = worker_client()
        return WorkerReport(
            echo=echo,
            identity=client.identity,
            process=os.getpid(),
            python=platform.python_version(),
            packages=installed_versions(),
            models=sorted(self._models()),
            plugins=[plugin.name() for plugin in client.config()["plugins"]],
        ).to_wire()
