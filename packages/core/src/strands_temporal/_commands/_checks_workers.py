"""The checks of `strands-temporal doctor` of workers: who polls, with which plugins and versions."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import TaskQueueType, WorkerStatus
from temporalio.api.namespace.v1 import NamespaceInfo
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    ListWorkersRequest,
)
from temporalio.client import ActivityFailureError, Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from .._wire.worker_report import REPORT_ACTIVITY, WorkerReport
from ._checks import GIVE_CONVERTER, Finding, not_told, versions_text
from ._pollers import RECENT
from ._texts import query_string

_PLUGIN = "strands_temporal.StrandsPlugin"
_LONG_WAIT = timedelta(seconds=30)  # of the oldest task in a backlog
_ENDED = (WorkerStatus.WORKER_STATUS_SHUTTING_DOWN, WorkerStatus.WORKER_STATUS_SHUTDOWN)
_LOOK_AT_WORKERS = (
    "Look at the workers' own logs and code for plugins and versions, or upgrade the server (docs/workers.md)"
)
_PROBES = 3  # for each worker; the server chooses which worker answers
_PROBE = {"text": "grüße", "number": 1.5, "list": [True, None]}
"""What a worker decodes and returns: shows that the converters and codecs of both sides agree."""


@dataclass
class QueueFacts:
    """What is known of a task queue.

    Attributes:
        name: The task queue.
        workflow_pollers: Identities that poll for workflow tasks.
        activity_pollers: Identities that poll for activities.
        is_hidden: Whether the server did not tell who polls.
        listed: Workers as the server lists them by their heartbeats.
        reports: What workers told about themselves, by identity and process.
    """

    name: str
    workflow_pollers: set[str] = field(default_factory=set[str])
    activity_pollers: set[str] = field(default_factory=set[str])
    is_hidden: bool = False
    listed: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    reports: dict[tuple[str, int], WorkerReport] = field(default_factory=dict[tuple[str, int], WorkerReport])

    @property
    def plugins(self) -> set[str]:
        """Names of the workers' plugins, as far as they are known."""
        told = {name for report in self.reports.values() for name in report.plugins}
        return told | {name for worker in self.listed for name in worker["plugins"]}


async def check_queue(
    client: Client, name: str, namespace: NamespaceInfo | None
) -> tuple[QueueFacts, list[Finding]]:
    """Check the workers of a task queue.

    Args:
        client: The client.
        name: The task queue.
        namespace: What the server tells of the namespace; None if it does not. It is then asked all the same.
    """
    queue = QueueFacts(name)
    found: list[Finding] = []
    for kind, identities, what in (
        (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, queue.workflow_pollers, "workflows"),
        (TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, queue.activity_pollers, "activities"),
    ):
        try:
            described = await _describe(client, name, kind)
        except RPCError as error:
            queue.is_hidden = True
            found.append(not_told(f"task queue {name}", f"who polls for {what}", error))
            continue
        identities.update(poller.identity for poller in described.pollers if _is_recent(poller))
        found += _polling(name, described, identities, what)
    if queue.workflow_pollers or queue.activity_pollers or queue.is_hidden:
        found += [await _listed(client, queue, namespace), *await _asked(client, queue, namespace)]
    return queue, found


async def _describe(client: Client, name: str, kind: Any) -> DescribeTaskQueueResponse:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind, report_stats=True
    )
    return await client.workflow_service.describe_task_queue(request, retry=True)


def _is_recent(poller: PollerInfo) -> bool:
    return time.time() - poller.last_access_time.seconds < RECENT


def _polling(
    name: str, described: DescribeTaskQueueResponse, identities: set[str], what: str
) -> list[Finding]:
    subject = f"task queue {name}"
    has_stats = described.HasField("stats")
    waiting = described.stats.approximate_backlog_count if has_stats else None
    age = described.stats.approximate_backlog_age.ToTimedelta()
    facts = {"task_queue": name, "for": what, "pollers": sorted(identities), "backlog": waiting}
    if not identities:
        text = (
            f"nobody polls for {what}; {waiting if has_stats else 'the server does not tell how many'} wait"
        )
        todo = f'Start a worker with task_queue="{name}" in this namespace'
        return [Finding("problem", subject, text, todo, facts)]
    found = [
        Finding(
            "ok", subject, f"{len(identities)} poll for {what}: {', '.join(sorted(identities))}", facts=facts
        )
    ]
    if waiting and age > _LONG_WAIT:
        text = f"{waiting} tasks for {what} wait, the oldest for {age.total_seconds():.0f} s"
        todo = "Start more workers, or give them more slots (docs/scaling.md)"
        found.append(Finding("problem", subject, text, todo, facts))
    return found


async def _listed(client: Client, queue: QueueFacts, namespace: NamespaceInfo | None) -> Finding:
    """Tell what the server knows of the workers from their heartbeats."""
    subject = f"workers of {queue.name}"
    if namespace and not namespace.capabilities.worker_heartbeats:
        text = "this server cannot tell their plugins: it keeps no worker heartbeats"
        return Finding("note", subject, text, _LOOK_AT_WORKERS)
    request = ListWorkersRequest(
        namespace=client.namespace, query=f"TaskQueue = {query_string(queue.name)}", page_size=100
    )
    try:
        answer = await client.workflow_service.list_workers(request, retry=True)
    except RPCError as error:
        return not_told(subject, "their plugins", error)
    workers: list[Any] = [*answer.workers] or [info.worker_heartbeat for info in answer.workers_info]
    queue.listed += [_worker(worker) for worker in workers if worker.status not in _ENDED]
    facts = {"task_queue": queue.name, "workers": queue.listed}
    if not queue.listed:
        text = "none has sent a heartbeat yet, so their plugins are not known"
        return Finding("note", subject, text, "Each sends one a minute: run this command again", facts)
    lacking = [worker for worker in queue.listed if _PLUGIN not in worker["plugins"]]
    text = "; ".join(
        f"{worker['identity']}: {', '.join(worker['plugins']) or 'no plugin'}" for worker in queue.listed
    )
    if lacking and len(lacking) < len(queue.listed):
        todo = (
            "Give StrandsPlugin to each worker of the queue: model calls that reach the others fail, and "
            "their workflows may not replay"
        )
        return Finding("problem", subject, text, todo, facts)
    if lacking:
        return Finding(
            "problem",
            subject,
            text,
            "Give these workers, or their client, plugins=[StrandsPlugin(...)]",
            facts,
        )
    if len({tuple(worker["plugins"]) for worker in queue.listed}) > 1:
        todo = "Give all workers of a queue the same plugins: any of them may get any task"
        return Finding("problem", subject, text, todo, facts)
    return Finding("ok", subject, text, facts=facts)


def _worker(worker: Any) -> dict[str, Any]:
    """Return what the server lists of a worker: a `WorkerListInfo`; older servers: a `WorkerHeartbeat`."""
    host: Any = worker.host_info if hasattr(worker, "host_info") else worker
    return {
        "identity": worker.worker_identity,
        "host": host.host_name,
        "process": host.process_id,
        "sdk": f"{worker.sdk_name} {worker.sdk_version}",
        "plugins": sorted(plugin.name for plugin in worker.plugins),
        "deployment": worker.deployment_version.build_id or None,
    }


async def _asked(client: Client, queue: QueueFacts, namespace: NamespaceInfo | None) -> list[Finding]:
    """Ask workers for their versions by standalone activities, which also shows whether converters agree."""
    subject = f"versions on {queue.name}"
    if namespace and not namespace.capabilities.standalone_activities:
        text = (
            "this server cannot tell them: it has no standalone activities, by which workers tell their "
            "versions and decode a test value"
        )
        return [Finding("note", subject, text, _LOOK_AT_WORKERS)]
    wanted = max(1, len(queue.activity_pollers))
    for _ in range(_PROBES * wanted):
        if len(queue.reports) >= wanted:
            break
        try:
            report = await _report(client, queue.name)
        except ActivityFailureError as error:
            return [_refused(queue, subject, error)]
        except RPCError as error:
            return [not_told(subject, "the workers' versions", error)]
        except asyncio.TimeoutError:
            text = "no worker told its versions in 15 s"
            return [Finding("note", subject, text, "Run this command again when the workers have room")]
        except Exception as error:  # noqa: BLE001  # this command's converter may raise anything
            text = f"this command cannot read a worker's answer: {error}"
            return [Finding("problem", f"converters on {queue.name}", text, GIVE_CONVERTER)]
        queue.reports[report.identity, report.process] = report
    return [*_converters(queue), _versions(queue, subject, wanted)]


async def _report(client: Client, queue: str) -> WorkerReport:
    probe = await client.start_activity(
        REPORT_ACTIVITY,
        _PROBE,
        id=f"doctor-{uuid.uuid4()}",
        task_queue=queue,
        schedule_to_close_timeout=timedelta(seconds=10),
        retry_policy=RetryPolicy(maximum_attempts=1),
    )
    try:
        wire = await asyncio.wait_for(probe.result(), 15)
    except asyncio.TimeoutError:
        with contextlib.suppress(RPCError):
            await probe.terminate(reason="nobody took it")
        raise
    return WorkerReport.from_wire(wire)


def _refused(queue: QueueFacts, subject: str, error: ActivityFailureError) -> Finding:
    cause = error.cause
    kind = cause.type if isinstance(cause, ApplicationError) else type(cause).__name__
    if kind == "NotFoundError":  # the SDK's answer for an activity that the worker does not have
        text = "not known: a worker has no StrandsPlugin, or an older release that does not tell its versions"
        return Finding("note", subject, text, facts={"task_queue": queue.name})
    return Finding(
        "problem",
        f"converters on {queue.name}",
        f"a worker could not take a test value of this command: {kind}: {cause}",
        GIVE_CONVERTER,
        {"task_queue": queue.name},
    )


def _converters(queue: QueueFacts) -> list[Finding]:
    subject = f"converters on {queue.name}"
    other = [report for report in queue.reports.values() if report.echo != _PROBE]
    if other:
        text = f"{other[0].identity} decoded the test value {_PROBE} as {other[0].echo}"
        todo = GIVE_CONVERTER
        return [Finding("problem", subject, text, todo)]
    return [Finding("ok", subject, "workers decode what this command sends, and it decodes their answers")]


def _versions(queue: QueueFacts, subject: str, wanted: int) -> Finding:
    reports = queue.reports.values()
    text = "; ".join(
        f"{each.identity}: {versions_text(each.packages)}, Python {each.python}" for each in reports
    )
    facts: Mapping[str, Any] = {
        "task_queue": queue.name,
        "workers": [
            {
                "identity": each.identity,
                "process": each.process,
                "python": each.python,
                "packages": each.packages,
                "models": each.models,
                "client_plugins": each.plugins,
            }
            for each in reports
        ],
    }
    if len(queue.reports) < wanted:
        text += f". {len(queue.reports)} of {wanted} answered: the server chose them again and again"
    ours = {
        tuple(p for p in each.packages.items() if p[0].startswith("strands-temporal")) for each in reports
    }
    if len(ours) > 1:
        todo = "Finish the roll-out soon: replace the other workers too (docs/workers.md, Mixed versions)"
        return Finding("problem", subject, text, todo, dict(facts))
    return Finding("ok", subject, text, facts=dict(facts))


def has_hitl(queues: Sequence[QueueFacts]) -> bool | None:
    """Tell whether a worker has `HITLPlugin`; None if that is not known."""
    if any("HITLPlugin" in name for queue in queues for name in queue.plugins):
        return True
    polled = [each for each in queues if each.workflow_pollers or each.activity_pollers or each.is_hidden]
    return False if all(queue.listed or queue.reports for queue in polled) else None
