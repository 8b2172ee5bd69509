"""Takes one measure of one subject in its own process, so that no measure warms up another.

    python -m benchmarks.child SUBJECT MEASURE ADDRESS ARGUMENTS

writes one line of JSON. It runs in the subject's environment, so it imports nothing
but Temporal and Strands, and never `strands_temporal`.
"""

import asyncio
import json
import sys
from importlib import import_module

from benchmarks import measures, streams
from benchmarks.load import Load


async def main() -> None:
    """Measure, and write the result."""
    subject, measure, address, arguments = sys.argv[1:]
    given = json.loads(arguments)
    load = Load(**given.pop("load", {}))
    bench = measures.Bench(import_module(f"benchmarks.subjects.{subject}"), load, address)
    print(
        json.dumps(await (getattr(measures, measure, None) or getattr(streams, measure))(bench, **given)),
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(main())
