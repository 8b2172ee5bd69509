"""The requests of a conversation in its stream: where the events of each begin, and how each ended."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, cast

from strands import Agent
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import TemporalModel
from strands_temporal.extension import describe_query, read_as, reading, utf8_text

from ._control import control_topic, to_control
from ._cut import as_json
from ._life import life
from ._limits import OFFSET_QUERY
from ._request_types import REQUESTS_QUERY, RequestEnded, RequestStarted, StreamRequest, StreamRequests
from ._types import DEFAULT_TOPIC

KEPT_REQUESTS = 100
"""How many of the latest requests can be found in the stream."""

MESSAGE_CHARACTERS = 16_000
"""Characters of JSON of a message that readers get."""

STATE_CHARACTERS = 64_000
"""Characters of JSON of an agent's state that readers get. A larger state is left out."""

ERROR_CHARACTERS = 2_000

TITLE_CHARACTERS = 100
"""Characters of the first message that name the conversation in a list."""

"""The query by which a `WorkflowStream` tells its length (temporalio 1.35)."""

_ABOUT = "Where the events of the latest requests begin in the stream, as JSON. No arguments"


class RequestLog:
    """Publishes the starts and ends of a conversation's requests, and remembers where they are.

    Args:
        stream: The conversation's stream.
        agent: Its agent.
        carried: What `carry` returned in the previous run.
    """

    def __init__(self, stream: WorkflowStream, agent: Agent, carried: list[dict[str, Any]]) -> None:
        self._stream = stream
        self._agent = agent
        with reading("The requests in the conversation's carry"):
            self._requests = [read_as(StreamRequest, one) for one in carried]
        workflow.set_query_handler(REQUESTS_QUERY, self._requests_now)
        describe_query(REQUESTS_QUERY, _ABOUT)

    def started(self, request: str, turn: int, message: Any) -> None:
        """Publish that a request has begun its turn."""
        shown, cut = as_json(message, MESSAGE_CHARACTERS)
        title = self._requests[0].title if self._requests else _title(message)
        self._requests.append(StreamRequest(request, turn, self._offset()))
        del self._requests[:-KEPT_REQUESTS]
        self._requests[0] = replace(self._requests[0], title=title)
        state = self._state()
        self._publish(
            RequestStarted(
                agent=self._agent.name,
                turn=turn,
                time=workflow.now().isoformat(),
                request=request,
                message=shown,
                index=len(self._agent.messages),
                state=state,
                truncated=cut,
            )
        )

    def ended(self, turn: int, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Publish the answers to the requests of a turn."""
        place: dict[str, Any] = {
            "agent": self._agent.name,
            "turn": turn,
            "time": workflow.now().isoformat(),
        }
        for request, answer in answers.items():
            if "error" in answer:
                error = answer["error"]
                text = str(error["message"])[:ERROR_CHARACTERS]
                ended = RequestEnded(error_type=str(error["type"]), error=text)
            else:
                result = answer["result"]
                output, cut = as_json(result["structured_output"], STATE_CHARACTERS)
                output = None if cut else output
                usage = dict(result["usage"])
                ended = RequestEnded(stop_reason=result["stop_reason"], structured_output=output, usage=usage)
            self._publish(replace(ended, request=request, state=self._state(), **place))
        self._requests = [replace(one, ended=True) if one.turn == turn else one for one in self._requests]

    def carry(self) -> list[dict[str, Any]]:
        """Return the requests for the next run, as JSON values."""
        return [asdict(one) for one in self._requests]

    def _requests_now(self) -> dict[str, Any]:
        return asdict(StreamRequests(self._offset(), self._topic(), self._requests))

    def _offset(self) -> int:
        handler: Any = workflow.get_query_handler(OFFSET_QUERY)
        return int(handler())

    def _state(self) -> dict[str, Any] | None:
        state, cut = as_json(self._agent.state.get(), STATE_CHARACTERS)
        return None if cut else state

    def _topic(self) -> str:
        model = self._agent.model
        topic = model.streaming_topic if isinstance(model, TemporalModel) else None
        return topic or DEFAULT_TOPIC

    def _publish(self, event: RequestStarted | RequestEnded) -> None:
        life().state.apply(event, self._offset())
        self._stream.topic(control_topic(self._topic())).publish(to_control(event))


def _title(message: Any) -> str:
    """Return the beginning of a message's text, in one line; empty if it has no text."""
    texts: list[Any] = [message]
    if isinstance(message, list):
        blocks = cast("list[Any]", message)
        texts = [cast("Any", block).get("text") for block in blocks if isinstance(block, Mapping)]
    text = " ".join(text for text in texts if isinstance(text, str))
    return utf8_text(" ".join(text[: 4 * TITLE_CHARACTERS].split())[:TITLE_CHARACTERS], "replace")
