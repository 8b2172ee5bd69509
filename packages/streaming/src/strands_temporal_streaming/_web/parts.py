"""Pages that other packages add to the console."""

import logging
from importlib.metadata import EntryPoint, entry_points

from temporalio.client import Client

from strands_temporal.extension import CONSOLE_PARTS, ConsolePart

logger = logging.getLogger(__name__)


def console_parts(client: Client) -> dict[str, ConsolePart]:
    """Return the parts of the installed packages by their paths, in the order of these.

    A part whose package lacks something, such as an extra, is left out.
    """
    found: dict[str, ConsolePart] = {}
    for point in sorted(entry_points(group=CONSOLE_PARTS), key=lambda each: each.name):
        if (part := _part(point, client)) is not None:
            found[point.name] = part
    return found


def _part(point: EntryPoint, client: Client) -> ConsolePart | None:
    try:
        return point.load()(client)
    except ModuleNotFoundError as error:
        logger.info("part=<%s>, missing=<%s> | the console goes without it", point.name, error.name)
        return None
