"""The inbox as a part of the console on this machine."""

from temporalio.client import Client

from strands_temporal.extension import ConsolePart

from ..inbox import make_inbox


def console_part(client: Client) -> ConsolePart:
    """Return the part. Its pages answer only this machine, and decide as its user."""
    return ConsolePart("Inbox", make_inbox(client, home=("Conversations", "../")))
