"""`BidiAgent` in a workflow that is the first of its process to import it."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from strands_temporal.testing import DevServer

PROGRAM = """
import asyncio, sys, uuid

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel

for name in [name for name in sys.modules if name.startswith("strands.bidi")]:
    del sys.modules[name]  # Strands' session managers have imported it (1.62)


@workflow.defn
class FirstImportWorkflow:
    @workflow.run
    async def run(self) -> str:
        from strands.bidi import BidiAgent
        from strands.bidi.models import BidiModel

        class Own(BidiModel):
            def update_config(self, **config): ...
            def get_config(self): return {}
            async def start(self, *args, **kwargs): ...
            async def stop(self): ...
            async def send(self, content): ...
            async def receive(self):
                yield

        return BidiAgent(Own()).name


async def main():
    plugin = StrandsPlugin(models={"m": ScriptedModel})
    client = await Client.connect(sys.argv[1], plugins=[plugin])
    queue = str(uuid.uuid4())
    async with Worker(client, task_queue=queue, workflows=[FirstImportWorkflow]):
        handle = await client.start_workflow(FirstImportWorkflow.run, id=queue, task_queue=queue)
        try:
            print(await asyncio.wait_for(handle.result(), 30))
        except Exception as error:
            print(error.cause.type, error.cause.message)


if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.server
async def test_a_bidi_agent_that_a_workflow_is_the_first_to_import_is_refused(
    server: DevServer, tmp_path: Path
) -> None:
    """In a process of its own: this one has imported `strands.bidi`."""
    program = tmp_path / "first_import.py"
    program.write_text(PROGRAM)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program), server.address), stdout=PIPE, stderr=STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (
        said.decode().strip().splitlines()[-1].startswith("AgentTypeError BidiAgent cannot run in a workflow")
    )
