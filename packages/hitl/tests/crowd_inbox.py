"""An inbox that a test kills, and a person who decides in it.

As a program it is the inbox: `python -m packages.hitl.tests.crowd_inbox ADDRESS PORT`.
"""

import asyncio
import contextlib
import getpass
import sys

import httpx
import uvicorn
from packages.hitl.tests.inbox_browser import form_of
from temporalio.client import Client

from strands_temporal_hitl import ApprovalRecord, ApprovalsClient, ApprovalsUnreachableError, Decision
from strands_temporal_hitl.inbox import inbox_app


class InboxPerson:
    """A person who decides in the inbox, in a browser without scripts.

    Args:
        port: The inbox's port. It may be killed, and come back.
    """

    def __init__(self, port: int) -> None:
        self.name = getpass.getuser()
        self._url = f"http://127.0.0.1:{port}"

    async def send(self, approvals: ApprovalsClient, order: str, decision: Decision) -> ApprovalRecord | None:
        """Decide by a form. An edit is an approval here."""
        verdict = "reject" if decision.verdict == "reject" else "approve"
        headers = {"origin": self._url, "sec-fetch-site": "same-origin"}
        with contextlib.suppress(httpx.HTTPError):  # it was killed, and the decision may have been taken
            async with httpx.AsyncClient(base_url=self._url, timeout=30) as http:
                page = await http.get("/question", params={"workflow": order, "id": decision.id})
                if page.status_code == 200 and f'value="{verdict}"' in page.text:
                    action, fields = form_of(page, verdict)
                    await http.post(action, data=fields, headers=headers)
        for record in await approvals.records(order):
            return record if record.by == self.name else None
        raise ApprovalsUnreachableError("not decided yet")


async def serve(address: str, port: str) -> None:
    """Serve the inbox until its process ends."""
    app = inbox_app(await Client.connect(address), workflow_types=["RefundWorkflow"])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=int(port), log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110  # uvicorn tells it in no other way
        await asyncio.sleep(0.05)
    print("ready", flush=True)  # noqa: T201
    await serving


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:3]))
