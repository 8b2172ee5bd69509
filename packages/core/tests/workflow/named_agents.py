"""Agents by name of the tests: a module that workflows import again in their sandbox."""

from pydantic import BaseModel
from strands import tool

from strands_temporal import TemporalAgent
from strands_temporal.workflow import client_tool

IMPORTS: list[str] = []
"""What importing this module adds to: a sandbox has a list of its own."""
IMPORTS.append("once")


class Ticket(BaseModel):
    title: str


@tool
def imports() -> int:
    """Say how often the module was imported here, and used."""
    IMPORTS.append("used")
    return len(IMPORTS)


@client_tool
def read_file(path: str) -> str:
    """Read a file on the user's machine."""
    raise NotImplementedError


def make_reader() -> TemporalAgent:
    """Make the agent "reader", whose tool a client runs."""
    return TemporalAgent("m", tools=[read_file], system_prompt="Read.", callback_handler=None)


def make_support(tone: str = "kind") -> TemporalAgent:
    """Make the agent "support"."""
    return TemporalAgent("m", system_prompt=f"Be {tone}.", tools=[imports], callback_handler=None)


class Makers:
    """A place for functions."""

    @staticmethod
    def make_sales() -> TemporalAgent:
        """Make the agent "sales"."""
        return TemporalAgent("m", system_prompt="Sell.", callback_handler=None)


async def make_later() -> TemporalAgent:
    """Not a maker: it is async."""
    return make_support()
