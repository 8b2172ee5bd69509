"""Asks the server once, with Strands' own client: `python -m examples.a2a_server.ask "Hello"`."""

import sys

from strands.agent.a2a_agent import A2AAgent

from examples.a2a_server.server import PORT
from examples.support.programs import run_client


async def main(prompt: str) -> None:
    """Print the answer, or the question that the agent asks."""
    result = await A2AAgent(f"http://127.0.0.1:{PORT}").invoke_async(prompt)
    print(f"{result.stop_reason}: {str(result).strip()}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or "What can you do?"))
