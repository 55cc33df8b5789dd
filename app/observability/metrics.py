"""What each process counts, and how the counts of all processes become one answer."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]

# The framework says the charset of text.
CONTENT_TYPE = "text/plain; version=0.0.4"
# Gauges end with their process; everything else keeps what a process counted when it is gone.
PASSING = frozenset({"gauge", "info", "stateset"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "callboard_http_requests", "Answers by route, method and status.", ["route", "method", "status"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "callboard_http_request_seconds",
    "From the request's head to the answer's last byte; waiting in a long poll included.",
    ["route", "method"],
    buckets=SECONDS,
    registry=REGISTRY,
)
DENIED = Counter("callboard_denied", "Refusals of the policies.", ["action", "reason"], registry=REGISTRY)
DENIED_CLOSES = Counter(
    "callboard_denied_closes", "Refused moves to done: the reason of a 403, else the error's code.", ["reason"], registry=REGISTRY
)
CLONE_FAILURES = Counter(
    "callboard_clone_failures", "Times that a clone could not be brought up to date.", ["trouble"], registry=REGISTRY
)
WORKSPACE_FAILURES = Counter(
    "callboard_workspace_failures", "Times that an agent's workspace could not be written.", registry=REGISTRY
)
WAKEUPS = Counter(
    "callboard_wakeups", "Looks by the clock whether there is anything to do for an agent.", ["outcome"], registry=REGISTRY
)
WAKEUPS_SKIPPED = Counter(
    "callboard_wakeups_skipped", "Wake-ups of agents that were not made, or not sent.", ["reason"], registry=REGISTRY
)
QUARANTINES = Counter("callboard_quarantines", "Tasks about which agents are woken no more.", ["reason"], registry=REGISTRY)
DEPRECATED = Counter("callboard_deprecated_uses", "Uses of what is deprecated.", ["name"], registry=REGISTRY)


class Family(msgspec.Struct, frozen=True):
    """One metric with its samples: name of the sample, labels, value."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, dict[str, str], float]]


def families(registry: CollectorRegistry = REGISTRY) -> list[Family]:
    """What this process has counted since it started."""
    return [
        Family(metric.name, metric.type, metric.documentation, [(one.name, one.labels, one.value) for one in metric.samples])
        for metric in registry.collect()
    ]


def merged(processes: Iterable[list[Family]], *, lasting_only: bool = False) -> list[Family]:
    """The sums over processes; `lasting_only` leaves out what ends with its process."""
    totals: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = defaultdict(lambda: defaultdict(float))
    about: dict[str, Family] = {}
    for process in processes:
        for family in process:
            if lasting_only and family.kind in PASSING:
                continue
            about.setdefault(family.name, family)
            for name, labels, value in family.samples:
                totals[family.name][name, tuple(labels.items())] += value
    return [
        Family(name, family.kind, family.help, [(sample, dict(labels), value) for (sample, labels), value in found.items()])
        for name, found in totals.items()
        for family in (about[name],)
    ]


class _Given(Collector):
    def __init__(self, given: Iterable[Family]) -> None:
        self._given = given

    def collect(self) -> Iterator[Metric]:
        for family in self._given:
            metric = Metric(family.name, family.help, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, labels, value)
            yield metric


def rendered(given: Iterable[Family]) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(given))
    return generate_latest(registry)
