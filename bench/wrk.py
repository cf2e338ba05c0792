"""Load over HTTP, by wrk: prepared requests, one connection a thread, every response counted."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CONNECTIONS = 64
SCRIPT = """\
-- One connection a thread, so that a run's calls come over one connection, as an agent's do.
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. args[2]
  prepared, at = {}, 0
  for path, body in io.open(args[1] .. "/" .. number):read("*a"):gmatch("(%S+) ([^\\n]+)\\n") do
    prepared[#prepared + 1] = wrk.format("POST", path, nil, body)
  end
end

function request()
  at = at % #prepared + 1
  return prepared[at]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "refused": %d, "broken": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
"""
CHECKED = """\
-- Of a batch, each decision counts, and none may have been refused.
function response(status, headers, body)
  if body:find('"problem"', 1, true) then
    io.stderr:write(body:sub(1, 2000))
    os.exit(1)
  end
end
"""


class LoadInvalid(Exception):
    """The load was not what it should have been, so its figures say nothing."""


@dataclass(frozen=True)
class Load:
    """What one round of requests came to; latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Post:
    """A prepared request."""

    path: str
    body: dict[str, Any]


async def load(
    address: str, token: str, connections: Sequence[Sequence[Post]], seconds: int, *, checked: bool = False
) -> Load:
    """Sends each connection's requests in turn, one at a time, over and over.

    `checked` looks for refusals within answers, too. Raises LoadInvalid unless every response is a success.
    """
    many = len(connections)
    with TemporaryDirectory(prefix="magistrate-bench-") as folder:
        script = Path(folder) / "load.lua"
        script.write_text(SCRIPT + (CHECKED if checked else ""))
        for number, posts in enumerate(connections):
            lines = (f"{post.path} {json.dumps(post.body)}\n" for post in posts)
            (Path(folder) / str(number)).write_text("".join(lines))
        command = [wrk(), f"-t{many}", f"-c{many}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
        command += [address, "--", folder, token]
        ended = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=False, timeout=seconds + 30
        )
    try:
        return told(ended.stdout, ended.stderr)
    except LoadInvalid as no:
        raise LoadInvalid(f"{connections[0][0].path} and so on: {no}") from None


def told(output: str, complaints: str = "") -> Load:
    """What wrk's last line says. Raises LoadInvalid."""
    line = output.strip().rpartition("\n")[2]
    if not line.startswith("{"):
        raise LoadInvalid(f"wrk ended early: {complaints or output}")
    said = json.loads(line)
    if said["refused"] or said["broken"] or not said["requests"]:
        raise LoadInvalid(f"not every request succeeded: {line}")
    return Load(said["requests"] / said["seconds"], said["p50"], said["p99"])


def wrk() -> str:
    """Where wrk is; installed by Debian's package where that can be done. Raises LoadInvalid."""
    if shutil.which("wrk") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], check=False, capture_output=True)
    found = shutil.which("wrk")
    if found is None:
        raise LoadInvalid("load comes from wrk, which is not installed: sudo apt-get install -y wrk")
    return found
