"""Time, ids and chance come from one place, so that a decision can be made again from the log alone."""

import ast
from pathlib import Path

from tests.architecture.tree import modules, named

CLOCK = "adapters/clock.py"

ASKING = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now",
    "time.time", "time.time_ns", "time.localtime", "time.gmtime",
    "uuid.uuid1", "uuid.uuid4", "uuid4", "uuid1", "uuid_utils.uuid7", "uuid_utils.uuid4", "uuid7",
    "os.urandom",
}  # fmt: skip
"""Calls that ask what time it is or throw dice. Durations (`time.monotonic`) are nobody's business."""

DICE = {"random", "secrets"}

ELSEWHERE = {
    "adapters/embedded_postgres/cluster.py": "draws the password of a server it creates",
    "adapters/embedded_postgres/configuration.py": "tries free ports in any order",
    "adapters/event_store/keyring.py": "draws the key of a data subject",
    "adapters/event_store/sealing.py": "draws the nonce of a sealed field",
    "adapters/keys/master.py": "draws a master key for a new installation",
}
"""Where chance decides nothing: no rule ever sees what is drawn here."""


def questions(path: Path) -> set[str]:
    asked: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ASKING or called.split(".")[0] in DICE:
                asked.add(called)
    return asked


def test_only_the_clock_asks_for_time_ids_and_chance() -> None:
    asking = {
        name: asked for path in modules() if (name := named(path)) != CLOCK and (asked := questions(path))
    }
    assert not set(asking) - set(ELSEWHERE), asking
