"""Fixtures of the tests of approvals."""

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import (
    GatedWorkflow,
    Opened,
    Setting,
    Told,
    approver_for,
    opened,
)
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, ScriptedModel
from strands_temporal_hitl import HITLPlugin


@pytest.fixture
def setting(agents: Agents, client: Client) -> Callable[..., Any]:
    @asynccontextmanager
    async def open_setting(model: ScriptedModel, **options: Any) -> AsyncGenerator[Setting]:
        told = Told()
        plugins = [
            StrandsPlugin(models={"model": lambda: model}),
            HITLPlugin(
                notifiers={"test": lambda: told, **options.pop("notifiers", {})},
                judges=options.pop("judges", None),
            ),
            *options.pop("more_plugins", []),
        ]
        workflows = options.pop("workflows", [GatedWorkflow])
        async with agents(workflows=workflows, plugins=plugins, **options) as env:
            yield Setting(env, told, approver_for(client))

    return open_setting


@pytest.fixture
def environments(client: Client, worker_options: dict[str, Any]) -> Opened:
    return opened(client, worker_options)


@pytest.fixture
async def bare(server: DevServer) -> Client:
    """Client of a new namespace, without our search attribute."""
    namespace = f"hitl-{uuid.uuid4()}"
    request = RegisterNamespaceRequest(namespace=namespace)
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=1))
    client = await Client.connect(server.address, namespace=namespace)
    await client.workflow_service.register_namespace(request, retry=True)
    return client
