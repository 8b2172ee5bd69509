"""What the command line reads: files of histories, and the values in a history that it shows."""

import asyncio
import base64
import json
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from strands_temporal._commands._chains import Chain, Run
from strands_temporal._commands._history_text import history_lines
from strands_temporal._commands._settings import CommandError
from strands_temporal._commands.history import described
from strands_temporal._commands.replay import history_of

from .damage import as_dict, as_list, copied, json_text
from .recorded import json_payloads, value_of
from .row import Row

_ROOT = Path(__file__).parents[3]
_FILES = [
    *(f"core/tests/histories/core-0.1.0-{name}.json" for name in ("stop", "context", "conversation-queue-3")),
    *(f"hitl/tests/histories/hitl-0.1.0-{name}.json" for name in ("a-stop", "an-edit")),
]


def cli_rows() -> Sequence[Row]:
    """Return the rows of the command line."""
    histories = [json.loads((_ROOT / "packages" / name).read_text()) for name in _FILES]
    values = [
        {"history": number, "values": [value_of(each) for each in json_payloads(history)]}
        for number, history in enumerate(histories)
    ]
    return [
        Row("file of a history", _from_file, histories[:1], (CommandError,)),
        Row("values of a history that is shown", lambda v: _shown(histories, v), values),
    ]


def _from_file(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "w.json")
        file.write_text(json_text(value))
        history_of(file)


def _shown(histories: list[Any], value: Any) -> None:
    """Show a recorded history with these values in its payloads."""
    given = as_dict(value)
    number = given.get("history")
    known = number if isinstance(number, int) and 0 <= number < len(histories) else 0
    history = copied(histories[known])
    for payload, each in zip(json_payloads(history), as_list(given.get("values")), strict=False):
        payload["data"] = base64.b64encode(json_text(each).encode("utf-8", "surrogatepass")).decode()
    asyncio.run(_say(WorkflowHistory.from_json("w", history)))


async def _say(history: WorkflowHistory) -> None:
    client: Any = SimpleNamespace(data_converter=pydantic_data_converter, namespace="default")
    description: Any = SimpleNamespace(
        run_id=history.run_id,
        workflow_type="W",
        task_queue="q",
        status=WorkflowExecutionStatus.COMPLETED,
        raw_description=DescribeWorkflowExecutionResponse(),
    )
    chain = Chain(description, [Run(history.run_id, history.events)])
    shown = await described(client, "w", chain, timedelta(seconds=1))
    json.dumps(shown)  # as --json prints it
    for full in (False, True):
        "\n".join(history_lines(shown, full=full))
