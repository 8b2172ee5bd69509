"""The messages of a conversation: those that wait, the one that runs, and the answers to the latest ones.

A message has the id of the request that brought it: of the update, or the one in a signal. A message with an
id that is known already is the same message.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from temporalio.exceptions import ApplicationError

from .._wire.conversations import TurnResult
from .._wire.failure_sizes import cut
from .._wire.reading import read_as
from .._wire.values import json_size
from .failures import as_workflow_failure

KEPT_ANSWERS = 100
"""How many of the latest answers are kept, for requests that are sent again."""

KEPT_BYTES = 256 * 1024
"""How many bytes of JSON these answers may have together. The latest answer is always kept."""

WAITING_MESSAGES = 1_000
"""How many messages may wait for their turns. All of them go into the next run's input. Like `WAITING_BYTES`
this decides which signals a run takes, so another value needs a patch marker (`workflow.patched`)."""

WAITING_BYTES = 512 * 1024
"""How many bytes of JSON these messages may have together: a quarter of what fits into a run's input."""


@dataclass(frozen=True)
class Answer:
    """What the sender of a message gets: a result, or an error."""

    result: TurnResult | None = None
    error: Exception | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the answer as JSON values."""
        if self.error is None:
            return {"result": asdict(self.result or TurnResult(0, "", ""))}
        failure = as_workflow_failure(self.error)
        return {"error": {"type": failure.type, "message": cut(failure.message)}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Answer":
        """Return the answer from what `to_json` returned."""
        if "error" in value:
            error = value["error"]
            return cls(error=ApplicationError(error["message"], type=error["type"], non_retryable=True))
        return cls(read_as(TurnResult, value["result"]))


@dataclass(eq=False)
class Sent:
    """A message that a client sent.

    Attributes:
        id: Id of its request; empty if it has none.
        message: The message as it was sent, in JSON values.
        answer: The answer, when there is one.
        size: Bytes of JSON that it has.
    """

    id: str
    message: Any
    answer: Answer | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = json_size(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the message as JSON values."""
        return {"id": self.id, "message": self.message}

    @classmethod
    def carried(cls, value: Mapping[str, Any]) -> "Sent":
        """Return the message from what `to_json` returned."""
        return cls(value["id"], value["message"])


def _no_messages() -> list[Sent]:
    return []


@dataclass
class Turns:
    """The messages of a conversation.

    Attributes:
        turn: Number of the turn that runs, or of the last one.
        running: The message of the turn that runs.
        joined: Messages that were given to the turn that runs, and get its result.
        steering: Messages that the turn that runs should get at its next model call.
        queue: Messages that wait for a turn of their own.
    """

    turn: int = 0
    running: Sent | None = None
    joined: list[Sent] = field(default_factory=_no_messages)
    steering: list[Sent] = field(default_factory=_no_messages)
    queue: list[Sent] = field(default_factory=_no_messages)
    _answers: dict[str, Answer] = field(default_factory=dict[str, Answer])

    @classmethod
    def carried(cls, value: Mapping[str, Any]) -> "Turns":
        """Return the messages from what `carry` returned in the previous run."""

        def sent(name: str) -> list[Sent]:
            return [Sent.carried(each) for each in value.get(name, ())]

        return cls(
            turn=value.get("turn", 0),
            running=Sent.carried(value["running"]) if value.get("running") else None,
            joined=sent("joined"),
            steering=sent("steering"),
            queue=sent("queue"),
            _answers={id_: Answer.from_json(answer) for id_, answer in value.get("answers", {}).items()},
        )

    def carry(self) -> dict[str, Any]:
        """Return the messages as JSON values for the next run. What the agent has is in its own carry."""
        return {
            "turn": self.turn,
            "running": Sent(self.running.id, None).to_json() if self.running else None,
            "joined": [Sent(each.id, None).to_json() for each in self.joined],
            "steering": [each.to_json() for each in self.steering],
            "queue": [each.to_json() for each in self.queue],
            "answers": self._kept_answers(),
        }

    @property
    def waiting(self) -> int:
        """How many messages wait for their turn."""
        return len(self.queue) + len(self.steering)

    @property
    def waiting_bytes(self) -> int:
        """How many bytes of JSON these messages have."""
        return sum(each.size for each in (*self.queue, *self.steering))

    def has_room(self, sent: Sent) -> bool:
        """Tell whether one more message may wait. One that begins a turn at once does not wait."""
        if self.running is None and not self.waiting:
            return True
        return self.waiting < WAITING_MESSAGES and self.waiting_bytes + sent.size <= WAITING_BYTES

    @property
    def taken(self) -> int:
        """How many turns there were, with those of the messages that wait."""
        return self.turn + self.waiting

    def is_known(self, id_: str) -> bool:
        """Tell whether a message with this id was sent before."""
        return bool(id_) and (id_ in self._answers or any(each.id == id_ for each in self._open()))

    def find(self, id_: str) -> Sent | None:
        """Return the message that was sent with an id before, if there is one."""
        if not id_:
            return None
        if id_ in self._answers:
            return Sent(id_, None, self._answers[id_])
        return next((each for each in self._open() if each.id == id_), None)

    def begin(self) -> Sent | None:
        """Begin the turn of the next message, and return that message; None if there is none."""
        if self.queue:
            self.turn += 1
            self.running = self.queue.pop(0)
            return self.running
        return None

    def end(self, answer: Callable[[Sent], Answer]) -> None:
        """End the turn that runs. Messages that it did not get will have the next turns.

        Args:
            answer: Returns the answer to each message of the turn.
        """
        for each in (*([self.running] if self.running else ()), *self.joined):
            self._answer(each, answer(each))
        self.queue[:0] = self.steering
        self.running, self.joined, self.steering = None, [], []

    def join(self, given: list[Sent]) -> None:
        """Note that the turn that runs got messages that were to steer it."""
        self.joined += given
        self.steering = [each for each in self.steering if each not in given]

    def refuse_waiting(self, error: Exception) -> None:
        """Answer the messages that wait for their turn with an error."""
        for each in (*self.steering, *self.queue):
            self._answer(each, Answer(error=error))
        self.steering, self.queue = [], []

    def _open(self) -> Iterator[Sent]:
        if self.running:
            yield self.running
        yield from (*self.joined, *self.steering, *self.queue)

    def _answer(self, sent: Sent, answer: Answer) -> None:
        sent.answer = answer
        if sent.id:
            self._answers[sent.id] = answer
            for id_ in list(self._answers)[:-KEPT_ANSWERS]:
                del self._answers[id_]

    def _kept_answers(self) -> dict[str, Any]:
        """Return the answers that fit, the latest ones first."""
        kept: list[tuple[str, Any]] = []
        room = KEPT_BYTES
        for id_, answer in reversed(self._answers.items()):
            value = answer.to_json()
            room -= json_size([id_, value])
            if kept and room < 0:
                break
            kept.append((id_, value))
        return dict(reversed(kept))
