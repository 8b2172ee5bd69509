"""The lines that agents add to a workflow's current details, and the descriptions of their queries.

The Web UI and `temporal workflow metadata` ask a workflow for both with one query of Temporal's. The lines
are made when that query is answered. So they cost a running workflow nothing, they are not in history, and
text that the user sets with `workflow.set_current_details` stays as it is: the agents' lines follow it.
"""

from collections.abc import Callable
from typing import TypeAlias

from temporalio.api.sdk.v1 import WorkflowMetadata

from .._upstream.run_local import run_local
from .._wire.values import utf8_text

METADATA_QUERY = "__temporal_workflow_metadata"
"""Temporal's query for the definition and the current details of a workflow."""

DetailsLine: TypeAlias = str | Callable[[], str | None]
"""A line of the current details as Markdown, or a function that returns the line, or None if there is none at
the moment. The function runs in a query, so it must not change anything."""


class _Lines(dict[str, DetailsLine]):
    """The lines of one run, by key, in the order of their first appearance."""


class _Descriptions(dict[str, str]):
    """The descriptions of one run's queries, by name."""


def set_details_line(key: str, text: DetailsLine | None) -> None:
    """Set a line of the workflow's current details. A line with the same key is replaced.

    Args:
        key: Identity of the line in this run.
        text: The line; None removes it.
    """
    lines = run_local(_Lines)
    if text is None:
        lines.pop(key, None)
    else:
        lines[key] = text


def describe_query(name: str, description: str) -> None:
    """Set the description of a query. `workflow.set_query_handler` takes none (temporalio 1.35)."""
    run_local(_Descriptions)[name] = description


def complete_metadata(metadata: WorkflowMetadata) -> None:
    """Add the run's lines and descriptions to Temporal's answer to `METADATA_QUERY`.

    The user's own text stays and comes first. A query that has a description keeps it.
    """
    texts = map(_text_of, run_local(_Lines).values())
    metadata.current_details = "\n\n".join(filter(None, [metadata.current_details, *texts]))
    descriptions = run_local(_Descriptions)
    for query in metadata.definition.query_definitions:
        query.description = query.description or descriptions.get(query.name, "")


def _text_of(line: DetailsLine) -> str | None:
    try:
        text = line if isinstance(line, str) else line()
        return None if text is None else utf8_text(text, "replace")
    except Exception as error:  # noqa: BLE001  # a plugin's line may raise anything; the others are still to be read
        return f"(failed: {type(error).__name__})"
