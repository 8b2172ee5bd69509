"""The desk of docs/operations.md, at work: what the pictures of the docs show.

The page's own code runs on a dev server of its own with its Web UI. The model is a scripted one.
"""

import asyncio
import importlib
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration_tests.docs_code import own_server
from integration_tests.pages import DOCS, blocks, until_asked
from temporalio.client import Client, Plugin, WorkflowHandle
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_hitl import ApprovalsClient, HITLPlugin

PROMPT = "My lamp of order A-7 is broken."
_ORDER = {"number": "A-7"}
_MODULE = "operations_desk"


@dataclass(frozen=True)
class Desk:
    """A desk that waits for a person.

    Attributes:
        client: A client of its server.
        handle: Its workflow.
        ui: Address of the server's Web UI.
    """

    client: Client
    handle: "WorkflowHandle[Any, Any]"
    ui: str

    @property
    def page(self) -> str:
        """Address of the workflow's page in the Web UI."""
        run = self.handle.first_execution_run_id
        return f"{self.ui}/namespaces/{self.client.namespace}/workflows/{self.handle.id}/{run}"

    async def approve(self) -> str:
        """Approve what the desk asks; return its answer."""
        approver = ApprovalsClient(self.client)
        (question,) = await approver.pending(self.handle.id)
        await approver.approve(self.handle.id, question, by="ana@example.org")
        return await asyncio.wait_for(self.handle.result(), 60)


def script() -> ScriptedModel:
    """Return the model: it looks the order up, refunds it, and says so."""
    return ScriptedModel(
        use_tool("find_order", _ORDER),
        use_tool("refund", _ORDER),
        say("Order A-7 is refunded.", usage=(310, 12)),
    )


@asynccontextmanager
async def waiting_desk(plugins: Sequence[Plugin] = (), **options: Any) -> AsyncGenerator[Desk]:
    """Run a server, a worker and the desk's workflow until it waits for a person; yield the desk.

    Args:
        plugins: More plugins of the client and its worker.
        **options: Further arguments of `Client.connect`.
    """
    model = script()
    given = [*plugins, StrandsPlugin(models={"claude": lambda: model}), HITLPlugin()]
    async with own_server(ui=True) as server:
        client = await Client.connect(server.address, plugins=given, **options)
        with _page() as page:
            activities = [page.find_order, page.refund]
            async with Worker(
                client, task_queue="desk", workflows=[page.DeskWorkflow], activities=activities
            ):
                handle = await client.start_workflow(
                    page.DeskWorkflow.run,
                    PROMPT,
                    id="desk-1",
                    task_queue="desk",
                    static_summary="A broken lamp",
                    static_details="Order **A-7**, by the web shop",
                )
                await until_asked(client, handle.id)
                yield Desk(client, handle, str(server.ui_url))


@contextmanager
def _page() -> Generator[Any]:
    """Import the first code of the page. The workflow sandbox finds it by its name."""
    (code, *_) = blocks(DOCS / "operations.md", "python")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{_MODULE}.py").write_text(code)
        sys.path.insert(0, folder)
        sys.modules.pop(_MODULE, None)
        try:
            yield importlib.import_module(_MODULE)
        finally:
            sys.path.remove(folder)
