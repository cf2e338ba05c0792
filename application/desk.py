"""What every use case works with."""

from dataclasses import dataclass

from application.law import LawBook
from application.lines import Lines
from application.policy import PolicyEngine
from application.ports import Clock, Digests, EventLog


@dataclass(frozen=True)
class Desk:
    """The log and the law, policy, time and digests: one per process."""

    log: EventLog
    lines: Lines
    law: LawBook
    policy: PolicyEngine
    clock: Clock
    digests: Digests
