"""The findings of `strands-temporal doctor`, and its checks of this installation and of the server."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    GetSystemInfoRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from .._wire.sizes import LARGEST_PAYLOAD
from .._worker.worker_report import installed_versions
from ._texts import size_text

Level = Literal["ok", "note", "problem"]

OLDEST_SERVER = (1, 29)
"""The oldest server that the tests of this project run on."""

APPROVALS = "StrandsApprovals"
"""Search attribute of `strands_temporal_hitl`, a Keyword."""


GIVE_CONVERTER = (
    "Give this command the workers' converter with --data-converter, or their codec with --codec-endpoint"
)


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        level: "ok", "note" (worth knowing, or not knowable) or "problem".
        subject: What was checked: "server".
        text: What was found.
        todo: What to do, for a problem.
        facts: The same as JSON values, for programs.
    """

    level: Level
    subject: str
    text: str
    todo: str | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


def not_told(subject: str, what: str, error: RPCError) -> Finding:
    """Return the finding for a question that the server does not answer.

    Args:
        subject: What is checked.
        what: What stays unknown: "the plugins of the workers".
        error: The server's answer.
    """
    if error.status is RPCStatusCode.UNIMPLEMENTED:
        text, todo = (
            f"this server cannot tell {what}",
            f"Look on another way, or upgrade the server to see {what}",
        )
    elif error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED):
        text = f"the server does not tell this client {what} ({error.message})"
        todo = "Run this command with credentials that may read the namespace"
    else:
        text, todo = f"the server did not tell {what} ({error.message})", "Run this command again"
    return Finding("note", subject, text, todo, {"rpc_status": error.status.name})


def installation() -> Finding:
    """Return the versions that this command has."""
    versions = installed_versions()
    return Finding("ok", "this installation", versions_text(versions), facts={"packages": versions})


def versions_text(versions: dict[str, str]) -> str:
    """Return versions in a line."""
    return ", ".join(f"{package} {version}" for package, version in versions.items())


async def describe_namespace(client: Client) -> DescribeNamespaceResponse:
    """Return what the server tells of the client's namespace."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    return await client.workflow_service.describe_namespace(request, retry=True)


async def check_server(client: Client, namespace: DescribeNamespaceResponse | None) -> Sequence[Finding]:
    """Check the server's version, and tell its limits."""
    try:
        info = await client.workflow_service.get_system_info(GetSystemInfoRequest(), retry=True)
    except RPCError as error:
        return [not_told("server", "its version", error), *_limits(namespace)]
    address = client.service_client.config.target_host
    version = info.server_version or "of an unknown version"
    facts: dict[str, Any] = {
        "address": address,
        "version": info.server_version,
        "namespace": client.namespace,
    }
    text = f"{version} at {address}, namespace {client.namespace}"
    number = _version(info.server_version)
    if number is not None and number < OLDEST_SERVER:
        known = ".".join(map(str, OLDEST_SERVER))
        found = Finding(
            "problem",
            "server",
            text,
            f"Upgrade it: the tests of this project run on {known} and later",
            facts,
        )
    else:
        found = Finding("ok", "server", text, facts=facts)
    return [found, *_limits(namespace)]


def payload_limit(namespace: DescribeNamespaceResponse | None) -> int:
    """Return how many bytes one value may have: as the server says, else Temporal's default."""
    told = namespace.namespace_info.limits.blob_size_limit_error if namespace else 0
    return told or 2 * 1024 * 1024


def _limits(namespace: DescribeNamespaceResponse | None) -> Sequence[Finding]:
    if namespace is None:
        return []
    limit = payload_limit(namespace)
    told = (
        ""
        if namespace.namespace_info.limits.blob_size_limit_error
        else " (Temporal's default: the server does not say)"
    )
    days = namespace.config.workflow_execution_retention_ttl.ToTimedelta().total_seconds() / 86400
    text = (
        f"one value at most {size_text(limit)}{told}; a history at most 50 MiB or 51,200 events by default, "
        f"which a server does not tell; closed workflows are kept for {days:g} day{'' if days == 1 else 's'}"
    )
    facts = {"payload_bytes": limit, "retention_days": days}
    if limit < LARGEST_PAYLOAD:
        todo = (
            f"Model calls and tools are checked against {size_text(LARGEST_PAYLOAD)}. Raise "
            "limit.blobSize.error to 2 MiB, or keep values small (docs/sizes.md)"
        )
        return [Finding("problem", "limits", text, todo, facts)]
    return [Finding("ok", "limits", text, facts=facts)]


async def check_search_attributes(client: Client, *, needed: bool | None) -> Finding:
    """Check that the search attribute for approvals is there.

    Args:
        client: The client.
        needed: Whether a worker has `HITLPlugin`; None if that is not known.
    """
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        answer = await client.operator_service.list_search_attributes(request, retry=True)
    except RPCError as error:
        return not_told("search attributes", f"whether {APPROVALS} is there", error)
    kind = answer.custom_attributes.get(APPROVALS)
    facts = {"custom": sorted(answer.custom_attributes)}
    create = (
        f"temporal operator search-attribute create --namespace {client.namespace} --name {APPROVALS} "
        "--type Keyword"
    )
    if kind is None and needed:
        text = f"{APPROVALS} is not there: approvals cannot be listed for all workflows at once"
        return Finding(
            "problem", "search attributes", text, f"Run `{create}`, then restart the workers", facts
        )
    if kind is None and needed is None:
        text = (
            f"{APPROVALS} is not there. Workers with HITLPlugin need it, and plugins of workers are not known"
        )
        return Finding("note", "search attributes", text, f"If one has it, run `{create}`", facts)
    if kind is None:
        return Finding(
            "ok", "search attributes", f"{APPROVALS} is not there; no worker needs it", facts=facts
        )
    if kind != IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD:
        text = f"{APPROVALS} is {IndexedValueType.Name(kind)}, not a Keyword: it is not used"
        return Finding("problem", "search attributes", text, f"Have it removed, then run `{create}`", facts)
    return Finding("ok", "search attributes", f"{APPROVALS} is a Keyword", facts=facts)


def _version(text: str) -> tuple[int, int] | None:
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None
