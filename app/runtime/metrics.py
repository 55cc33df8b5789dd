"""What the workers of this process counted, as metrics."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.runtime.counts import SECONDS, Counts, Durations, Kind

KIND = ("type", "profile")
BOUNDS = [*(f"{bound:g}" for bound in SECONDS), "+Inf"]


class RuntimeCollector(Collector):
    """Exports a process's counts; register it once for each process."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        counts = self._counts
        claims = CounterMetricFamily("callboard_claims", "Attempts that were begun.", labels=KIND)
        for kind, many in counts.claims.items():
            claims.add_metric(kind, many)
        attempts = CounterMetricFamily(
            "callboard_attempts", "Attempts that ended, by outcome and error class.", labels=[*KIND, "outcome", "error_class"]
        )
        for outcome, many in counts.outcomes.items():
            attempts.add_metric(outcome, many)
        abandoned = CounterMetricFamily("callboard_attempts_abandoned", "Handlers that did not obey their timeout.", labels=KIND)
        for kind, many in counts.abandoned.items():
            abandoned.add_metric(kind, many)
        yield from (claims, attempts, abandoned)
        yield _histogram("callboard_start_seconds", "How long a command was due when it was claimed.", counts.late)
        yield _histogram("callboard_run_seconds", "How long attempts ran.", counts.ran)
        for name, about, value in (
            ("callboard_fenced", "Results that were dropped because the lease was gone.", counts.fenced),
            ("callboard_claims_empty", "Claims that found nothing.", counts.empty_claims),
            ("callboard_leases_lost", "Commands that dead workers had held.", counts.leases_lost),
            ("callboard_worker_lives_lost", "Times that a worker lost its database and began anew.", counts.lives_lost),
            ("callboard_limits_repaired", "Concurrency limits whose count was put right.", counts.limits_repaired),
        ):
            yield CounterMetricFamily(name, about, value=value)


def _histogram(name: str, about: str, durations: Mapping[Kind, Durations]) -> Metric:
    family = HistogramMetricFamily(name, about, labels=KIND)
    for kind, found in durations.items():
        below, buckets = 0, []
        for bound, many in zip(BOUNDS, found.buckets, strict=True):
            below += many
            buckets.append((bound, below))
        family.add_metric(kind, buckets, sum_value=found.total)
    return family
