"""`python -m bench [--only NAME,NAME] [--json]`: runs benchmarks and says whether their bounds are met."""

import argparse
import asyncio
import importlib
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict

import uvloop

from bench.measure import Row, keep, show

BENCHMARKS = {
    "append": "bench.append",
    "append-vs-pgbench": "bench.append",
    "decide": "bench.decide",
    "http-vs-empty": "bench.http",
    "http-decision": "bench.http",
    "http-vs-stock": "bench.http",
    "http-batch": "bench.http",
    "policy": "bench.policy",
    "policy-airline": "bench.policy",
    "run-start": "bench.run_start",
    "follow": "bench.follow",
    "follow-lag": "bench.follow",
    "memory": "bench.memory",
}
"""Every row and the module whose `measure` makes it; a module makes all its rows in one run."""


def machine() -> str:
    """What the figures were measured on, in one line."""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, PostgreSQL 18 on the same cores, "
        "fsync and synchronous_commit on; medians of interleaved rounds"
    )


async def run(only: Sequence[str]) -> list[Row]:
    """Runs the modules that make the wanted rows, one after another."""
    rows: list[Row] = []
    for module in dict.fromkeys(BENCHMARKS[name] for name in only):
        print(f"measuring: {', '.join(n for n, m in BENCHMARKS.items() if m == module)}", file=sys.stderr)
        rows += await importlib.import_module(module).measure()
    return [row for row in rows if row.name in only]


def main() -> int:
    """Exit code 1 when a bound is not met."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", default="", help="names, separated by commas; all if left out")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name] or list(BENCHMARKS)
    unknown = sorted(set(wanted) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the server does
        rows = runner.run(run(wanted))
    keep(rows)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        show(rows, machine())
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
