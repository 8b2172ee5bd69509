"""What an environment variable may set, and the error of a show that cannot go on."""

import os
from datetime import timedelta

from examples.demo.workflow import HEARTBEAT_TIMEOUT

HEARTBEAT_VARIABLE = "HEARTBEAT_TIMEOUT"
"""Environment variable with the seconds after which the server gives a killed worker's call to another."""


class NotShownError(Exception):
    """Something that the demo claims did not happen. The message is one line for a person."""


def heartbeat_timeout() -> timedelta:
    """Return the heartbeat timeout of model calls.

    Raises:
        NotShownError: The environment variable holds something else than a number from 1 to 60.
    """
    given = os.environ.get(HEARTBEAT_VARIABLE)
    try:
        seconds = HEARTBEAT_TIMEOUT.total_seconds() if given is None else float(given)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= 60:
        raise NotShownError(f"{HEARTBEAT_VARIABLE}={given!r} is not a number of seconds from 1 to 60")
    return timedelta(seconds=seconds)
