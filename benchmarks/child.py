"""Takes one measure of one subject in its own process, so that no measure warms up another.

    python -m benchmarks.child SUBJECT MEASURE ADDRESS ARGUMENTS

writes one line of JSON. It runs in the subject's environment, so it imports nothing
but Temporal and Strands, and never `strands_temporal`.
"""

import asyncio
import json
import sys
from importlib import import_module

from benchmarks import measures, profiles, scale, streams
from benchmarks.load import Load


async def main() -> None:
    """Measure, and write the result."""
    subject, measure, address, arguments = sys.argv[1:]
    given = json.loads(arguments)
    load = Load(**given.pop("load", {}))
    bench = measures.Bench(import_module(f"benchmarks.subjects.{subject}"), load, address)
    # A subject without a server has measures of its own.
    modules = (bench.subject, measures, scale, streams, profiles)
    found = next(getattr(one, measure) for one in modules if hasattr(one, measure))
    print(json.dumps(await found(bench, **given)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
