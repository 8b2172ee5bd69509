"""`make fuzz`: damages values for each decoder in turn, until the time is over."""

import argparse
import logging
import sys
import time
import traceback

from .table import rows


def main() -> int:
    """Run the table. Return 1 if a decoder raised what it does not promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long, for all decoders together")
    parser.add_argument("--only", default="", help="part of the names of the decoders to run")
    parser.add_argument("--seed", type=int, help="where to begin; printed at the start")
    given = parser.parse_args()
    chosen = [row for row in rows() if given.only in row.name]
    seed = int(time.time()) % 10**9 if given.seed is None else given.seed
    _say(f"{len(chosen)} decoders, {given.seconds:g} s, seed {seed}")
    logging.disable()  # libraries tell of each damage
    failed = 0
    for row in chosen:
        try:
            count = row.run_for(given.seconds / max(1, len(chosen)), seed)
        except Exception:  # noqa: BLE001, PERF203  # the other decoders are run too
            failed += 1
            _say(f"{row.name:<40} FAILED\n{traceback.format_exc(limit=-6)}")
        else:
            _say(f"{row.name:<40} {count:>9,} values")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
