"""What `strands-temporal dev` and a package that brings a service for it say to each other.

A package declares a function in the entry point group `strands_temporal.dev_services`, under the name of an
option of `dev`: `nats`. The function gets a folder for the service's files, which is removed afterwards, and
returns a `DevService`. `dev` starts its command and ends it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

DEV_SERVICES = "strands_temporal.dev_services"
"""Entry point group of the functions."""


@dataclass(frozen=True)
class DevService:
    """A server that runs beside `dev`'s worker.

    Attributes:
        command: Program and arguments.
        url: Its address, for people.
        env: Variables by which the worker, and the commands that talk to it, find the server.
        is_ready: Returns whether it answers.
    """

    command: Sequence[str]
    url: str
    env: dict[str, str]
    is_ready: Callable[[], bool]
