"""The JetStream stream of a namespace: makes it, or checks the one that is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nats.js import JetStreamContext

MAX_AGE = 24 * 3600.0
MAX_BYTES = 1024**3

_NO_STREAM_NAME = 10058  # the name is in use, with another configuration
_NO_JETSTREAM = (10039, 10076)  # not enabled, or not for this account


@dataclass(frozen=True)
class StreamSettings:
    """The JetStream stream of a namespace, for the first one who needs it.

    Attributes:
        max_age: Seconds after which a message is dropped.
        max_bytes: Size from which the oldest messages are dropped.
        replicas: Copies in a cluster.
        memory: Whether it is kept in memory.
    """

    max_age: float = MAX_AGE
    max_bytes: int = MAX_BYTES
    replicas: int = 1
    memory: bool = False


async def prepare(
    context: "JetStreamContext", stream: str, subjects: str, settings: StreamSettings
) -> tuple[Sequence[str], str]:
    """Make the stream if it is not there.

    Returns:
        What an operator should know of it, and why it cannot be used; "" if it can.

    Raises:
        Exception: NATS does not answer now.
    """
    from nats.errors import NoRespondersError
    from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

    try:
        try:
            info = await context.stream_info(stream)
        except NotFoundError:
            trouble = await _made(context, stream, subjects, settings)
            if trouble:
                return (), trouble
            info = await context.stream_info(stream)
    except (NoRespondersError, ServiceUnavailableError) as error:
        code = getattr(error, "err_code", None)
        if code is None or code in _NO_JETSTREAM:
            return (), "the NATS server has no JetStream. Start it with `-js`, or enable it for this account"
        raise
    except APIError as error:
        return (), f"the stream {stream!r} of NATS cannot be used: {error.description}"
    return _differences(info.config, settings), _misfit(info.config, stream, subjects)


async def _made(context: "JetStreamContext", stream: str, subjects: str, settings: StreamSettings) -> str:
    """Make the stream. Return why that cannot be; "" after it was made, by this process or another one."""
    from nats.js.api import DiscardPolicy, StorageType, StreamConfig
    from nats.js.errors import BadRequestError, ServerError

    config = StreamConfig(
        name=stream,
        description="What durable Strands agents stream",
        subjects=[subjects],
        max_age=settings.max_age,
        max_bytes=settings.max_bytes,
        discard=DiscardPolicy.OLD,
        num_replicas=settings.replicas,
        storage=StorageType.MEMORY if settings.memory else StorageType.FILE,
        allow_direct=True,
    )
    try:
        await context.add_stream(config)
    except (BadRequestError, ServerError) as error:
        if error.err_code != _NO_STREAM_NAME:
            return f"the stream {stream!r} cannot be made in NATS: {error.description}"
    return ""


def _misfit(config: Any, stream: str, subjects: str) -> str:
    """Return why a stream that is there cannot be used; "" if it can."""
    from nats.js.api import RetentionPolicy

    if not any(_covers(one, subjects) for one in config.subjects or ()):
        return f"the stream {stream!r} of NATS has the subjects {config.subjects}; it needs {subjects!r}"
    if config.retention not in (None, RetentionPolicy.LIMITS):
        return f"the stream {stream!r} of NATS has the retention {str(config.retention)!r}; it needs 'limits'"
    if not config.allow_direct:
        return f"the stream {stream!r} of NATS has no direct access. Set it: nats stream edit --allow-direct"
    return ""


def _covers(wide: str, narrow: str) -> bool:
    """Tell whether a pattern of subjects has all subjects of another one, which ends with `>`."""
    ours, theirs = narrow.split("."), wide.split(".")
    for place, part in enumerate(theirs):
        if part == ">":
            return place < len(ours)
        if place >= len(ours) or ours[place] == ">" or part not in ("*", ours[place]):
            return False
    return False


def _differences(config: Any, settings: StreamSettings) -> list[str]:
    """Return which settings were asked for and are not those of the stream."""
    usual, found = StreamSettings(), list[str]()
    for name, has in (
        ("max_age", config.max_age),
        ("max_bytes", config.max_bytes),
        ("replicas", config.num_replicas),
        ("memory", str(getattr(config.storage, "value", config.storage)) == "memory"),
    ):
        wanted = getattr(settings, name)
        if wanted not in (getattr(usual, name), has):
            found.append(f"{name}={has} instead of {wanted}")
    if not found:
        return []
    return [
        f"the stream {config.name!r} is there already, with {', '.join(found)}. Change it: nats stream edit"
    ]
