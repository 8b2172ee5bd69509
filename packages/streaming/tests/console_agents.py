"""A shop's agents for the console's tests and pictures. `strands-temporal dev` serves this module as well."""

import asyncio
from datetime import timedelta
from typing import Any

from strands import tool
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from strands_temporal import TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import activity_as_tool

AGENTS = ("clerk", "parrot", "manager")

PARCEL = """\
Order **A-7** left the warehouse on Monday and waits in *Leipzig* for its lorry.

| Leg | Carrier | State |
|:----|:--------|------:|
| Warehouse to Leipzig | Rail | done |
| Leipzig to Dresden | Lorry 12 | waits |

- It arrives on **Thursday**, before noon.
- Track it at [the carrier](https://carrier.example/A-7), or with `track A-7`.

```sh
track A-7 --since monday
```
"""


@activity.defn
async def find_order(number: str, fields: list[str] | None = None) -> dict[str, Any]:
    """Find an order in the shop's database."""
    if activity.info().attempt == 1:
        raise ApplicationError("the database restarts", type="Restarting")
    await asyncio.sleep(0.2)
    return {"number": number, "item": "lamp", "price": 40.0, "paid": True, "route": ["Leipzig", "Dresden"]}


@tool
def refund(number: str, amount: float, reason: str) -> str:
    """Refund an order."""
    return f"refunded {amount} euros for {number}"


@tool
def weather(place: str) -> str:
    """Tell the weather."""
    return f"rain in {place}"


def clerk() -> TemporalAgent:
    """Finds orders and parcels, and refunds what people allow."""
    retry = RetryPolicy(initial_interval=timedelta(milliseconds=300), maximum_attempts=3)
    return TemporalAgent(
        "claude",
        name="clerk",
        streaming_topic="events",
        tools=[activity_as_tool(find_order, retry_policy=retry), refund, weather],
        interventions=[HumanInTheLoop(allowed_tools=["find_order", "weather"])],
        callback_handler=None,
        heartbeat_timeout=timedelta(seconds=2),
    )


def parrot() -> TemporalAgent:
    """Says what you say, without a stream."""
    return TemporalAgent("claude", name="parrot", callback_handler=None)


def manager() -> TemporalAgent:
    """Asks the scout."""
    scout = TemporalAgent(
        "claude",
        name="scout",
        description="Looks at the weather.",
        streaming_topic="events",
        tools=[weather],
        callback_handler=None,
    )
    return TemporalAgent(
        "claude", name="manager", streaming_topic="events", tools=[scout.as_tool()], callback_handler=None
    )


def answer(call: ScriptedCall) -> Reply:
    """Do what the person's words ask for."""
    words, results = call.prompt, len(call.tool_results)
    match words.split():
        case ["where", *_]:
            if not results:
                text = "I look it up."
                return use_tools(
                    [
                        ("find_order", {"number": "A-7", "fields": ["route"]}, f"find-{len(call.messages)}"),
                        ("weather", {"place": "Leipzig"}, f"weather-{len(call.messages)}"),
                    ],
                    text=text,
                )
            return say(PARCEL, chunk=6, usage=(412, 118)).after(gap=0.02)
        case ["refund", *_]:
            if not results:
                given = {"number": "A-7", "amount": 40.0, "reason": "The lamp came broken."}
                return use_tool(
                    "refund", given, tool_use_id=f"refund-{len(call.messages)}", text="I prepare that."
                )
            return say(f"Done: {call.text}", chunk=8, usage=(300, 12))
        case ["slow" | "Letter:", *rest]:
            return say(" ".join(rest), chunk=4).after(gap=0.25)
        case ["ask", *rest]:
            return (
                say(f"The scout says: {call.text}")
                if results
                else use_tool("scout", {"input": f"look {' '.join(rest)}"})
            )
        case ["look", *rest]:
            return say(call.text) if results else use_tool("weather", {"place": " ".join(rest)})
        case ["fail", *rest]:
            return Reply(error=ValueError(" ".join(rest)))
        case _:
            return say(words, chunk=16)


models = {"claude": lambda: ScriptedModel(answer)}
activities = [find_order]
