"""What a worker counts: decisions, refusals, times, and how far the law in memory lags behind."""

from collections.abc import Callable
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The figures of one worker; each worker has its own, and a scrape reaches one of them."""

    def __init__(self, lag: Callable[[], timedelta | None]) -> None:
        """`lag` says how long ago the law was last known to be current."""
        self.registry = CollectorRegistry()
        decisions = Counter(
            "magistrate_decisions", "Tool calls decided, by verdict", ["verdict"], registry=self.registry
        )
        self._decided = {
            verdict: decisions.labels(verdict) for verdict in ("allow", "ask", "deny", "throttle")
        }
        self._deciding = Histogram(
            "magistrate_decision_seconds",
            "From a proposal's arrival to its durable answer",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._refused = Counter(
            "magistrate_refusals", "Requests refused, by problem type", ["type"], registry=self.registry
        )
        self._faults = Counter(
            "magistrate_faults", "Requests that met an unexpected fault", registry=self.registry
        )
        self.underway = 0
        underway = Gauge(
            "magistrate_requests_in_progress", "Requests being answered just now", registry=self.registry
        )
        underway.set_function(lambda: float(self.underway))
        law_lag = Gauge(
            "magistrate_law_lag_seconds",
            "Since the law in memory was last known to be current; -1 before the first time",
            registry=self.registry,
        )
        law_lag.set_function(lambda: -1.0 if (now := lag()) is None else now.total_seconds())

    def decided(self, verdict: str, seconds: float) -> None:
        """Counts one decision and the time it took."""
        self._decided[verdict].inc()
        self._deciding.observe(seconds)

    def refused(self, kind: str) -> None:
        """Counts one refusal by its problem type."""
        self._refused.labels(kind).inc()

    def fault(self) -> None:
        """Counts one unexpected fault."""
        self._faults.inc()

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Shows how many appends wait for the log."""
        gauge = Gauge("magistrate_log_queue_length", "Appends waiting for the log", registry=self.registry)
        gauge.set_function(lambda: float(length()))

    def exposed(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self.registry)
