"""The closed registry of what an account may set while the board runs, and what a stored value stands for."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from app.runtime.rules.deprecations import DEPRECATIONS
from app.runtime.types import SettingKind

Value = bool | int
# Where the truth was not heard for so long, every switch counts as engaged.
STALE_SECONDS = 5.0
DAY_LIMIT = 3_650
SWITCH_CLAIMS, SWITCH_DELIVERIES = "switch.claims", "switch.deliveries"
SWITCH_SCHEDULES, SWITCH_AGENTS = "switch.schedules", "switch.agents"
FEATURE_MCP = "feature.mcp"
GATEWAY_INTERVAL = "gateway.interval_seconds"
DELIVERY_ROUNDS = "delivery.rounds"
BREAKER_FAILURES, BREAKER_SECONDS = "breaker.failures", "breaker.seconds"
UNKNOWN_CENTS, UNKNOWN_TOKENS = "usage.unknown_cents", "usage.unknown_tokens"
KEPT_USAGE = "retention.usage.days"
FOLLOWUP_MOST, FOLLOWUP_SILENT, FOLLOWUP_BLOCKED = "followup.most", "followup.silent_minutes", "followup.blocked_hours"
LOOP_WAKES, LOOP_DEPTH, LOOP_CREDITS = "loop.wakes_per_hour", "loop.depth", "loop.credits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One thing to set; numbers lie between `least` and `most`."""

    name: str
    kind: SettingKind
    default: Value
    description: str
    affects: str
    least: int | None = None
    most: int | None = None

    @property
    def values(self) -> str:
        return f"{self.least} to {self.most}" if self.is_number else "true or false"

    @property
    def is_number(self) -> bool:
        return self.kind in {SettingKind.LIMIT, SettingKind.PERIOD}

    @property
    def blind(self) -> bool | None:
        """What it counts as when nobody can say what it is; None where the last thing known will do."""
        return {SettingKind.KILL_SWITCH: True, SettingKind.FEATURE: False}.get(self.kind)


def _switch(name: str, description: str, affects: str) -> Setting:
    return Setting(name=name, kind=SettingKind.KILL_SWITCH, default=False, description=description, affects=affects)


def _queue(name: str, most: int) -> Setting:
    return Setting(
        name=f"queue.{name}.most",
        kind=SettingKind.LIMIT,
        default=most,
        least=0,
        most=1_000_000,
        description=f"How many commands may be due in the queue {name}; 0: any number.",
        affects="whoever enqueues: a full queue answers 503 overloaded",
    )


def _limit(name: str, default: int, *, most: int, description: str, affects: str) -> Setting:
    kind = SettingKind.LIMIT
    return Setting(name=name, kind=kind, default=default, least=1, most=most, description=description, affects=affects)


def _period(name: str, default: int, *, least: int, most: int, description: str, affects: str) -> Setting:
    kind = SettingKind.PERIOD
    return Setting(name=name, kind=kind, default=default, least=least, most=most, description=description, affects=affects)


def _kept(name: str, days: int, what: str, *, least: int = 1) -> Setting:
    description = f"How many days {what} are kept."
    return _period(f"retention.{name}.days", days, least=least, most=DAY_LIMIT, description=description, affects="retention")


_ALL = (
    _switch(SWITCH_CLAIMS, "Nothing of the account is started; what is due waits.", "workers"),
    _switch(SWITCH_SCHEDULES, "No schedule of the account fires.", "schedules"),
    _switch(SWITCH_DELIVERIES, "Nothing is sent to gateways; deliveries wait.", "delivery"),
    _switch(SWITCH_AGENTS, "Agents change nothing; they still read.", "HTTP, MCP, tool calls and replies of agents"),
    Setting(
        name=FEATURE_MCP,
        kind=SettingKind.FEATURE,
        default=True,
        description="Agents of the account may use /mcp.",
        affects="the MCP server",
    ),
    _queue("inbound", 512),
    _queue("ticks", 256),
    _queue("outbound", 10_000),
    _queue("control", 10_000),
    _limit(
        "limit.agent.most", 5, most=1_000, description="How many commands of one agent run at once.", affects="claims of lanes"
    ),
    _limit(
        "limit.dependency.most",
        50,
        most=10_000,
        description="How many commands that call one gateway run at once.",
        affects="claims of lanes",
    ),
    _limit(
        BREAKER_FAILURES,
        5,
        most=1_000,
        description="After how many failures within breaker.seconds a dependency is left alone.",
        affects="calls outside",
    ),
    _period(
        BREAKER_SECONDS,
        60,
        least=1,
        most=3_600,
        description="In how many seconds failures add up, and for how many a failing dependency is left alone.",
        affects="calls outside",
    ),
    _limit(
        LOOP_WAKES,
        20,
        most=1_000,
        description="How often agents and the board wake agents about one task within an hour.",
        affects="messages of agents: one above it wakes nobody",
    ),
    _limit(
        LOOP_DEPTH,
        8,
        most=1_000,
        description="How many causes may lie before a message of an agent that wakes another.",
        affects="messages of agents: a deeper one wakes nobody; four times as deep, moves too where the hour is full",
    ),
    _limit(
        LOOP_CREDITS,
        3,
        most=100,
        description="How many runs in a row may bring their task no further before it is quarantined.",
        affects="runs that agents or the board caused",
    ),
    Setting(
        name=FOLLOWUP_MOST,
        kind=SettingKind.LIMIT,
        default=3,
        least=0,
        most=50,
        description="How many silent tasks are followed up at each look at the orchestrator, its own requests included; 0: none.",
        affects="follow-ups: the assignees are asked for an answer on the orchestrator's behalf",
    ),
    _period(
        FOLLOWUP_SILENT,
        15,
        least=1,
        most=10_080,
        description="After how many minutes without a sign of its assignees a task is followed up.",
        affects="follow-ups of tasks that are assigned, in progress or in review",
    ),
    _period(
        FOLLOWUP_BLOCKED,
        24,
        least=1,
        most=720,
        description="After how many hours without a sign of its assignees a blocked task is followed up, where no other one is.",
        affects="follow-ups of blocked tasks",
    ),
    _limit(
        DELIVERY_ROUNDS,
        8,
        most=32,
        description="How many rounds of tool calls an agent may make in one turn.",
        affects="deliveries",
    ),
    _kept("commands", 30, "commands that ended, where their profile says 30 (as many more or fewer where it says otherwise),"),
    _kept("dead_letters", 90, "dead letters that were settled"),
    _kept("events", 90, "events", least=30),
    _kept("notifications", 90, "notifications that ended, with their deliveries, and those that a person did not read", least=7),
    _kept("alerts", 90, "alerts that were cleared"),
    _kept("usage", 400, "records of usage, and reservations of runs that are over,"),
    _limit(
        UNKNOWN_CENTS,
        5,
        most=1_000_000,
        description="How many US cents a run counts as whose cost nobody knows, while its budget has no estimate.",
        affects="budgets in USD",
    ),
    _limit(
        UNKNOWN_TOKENS,
        10_000,
        most=1_000_000_000,
        description="How many tokens a run counts as whose answer does not say, while its budget has no estimate.",
        affects="budgets in tokens",
    ),
    _period(
        "liveness.offline_seconds",
        90,
        least=60,
        most=86_400,
        description="After how many seconds without a sign an agent counts as offline; later if it said that it calls seldom.",
        affects="presence of agents",
    ),
    _period(
        GATEWAY_INTERVAL,
        30,
        least=30,
        most=3_600,
        description="After how many seconds without a sign a gateway is looked at; three times that long, and it is offline.",
        affects="presence of gateways",
    ),
)
_REMOVALS = (
    Setting(
        name=one.setting,
        kind=SettingKind.REMOVAL,
        default=False,
        description=f"Taken away: {one.what}",
        affects="whoever still uses it; see /api/v1/admin/runtime/deprecations",
    )
    for one in DEPRECATIONS.values()
)
SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in (*_ALL, *_REMOVALS)}


def close_to(name: str) -> str | None:
    """The setting that was perhaps meant."""
    return next(iter(get_close_matches(name, SETTINGS, n=1)), None)


def fault(setting: Setting, value: object) -> str | None:
    """Why the setting cannot have this value."""
    if not setting.is_number:
        return None if isinstance(value, bool) else "must be true or false"
    if isinstance(value, bool) or not isinstance(value, int) or not (setting.least or 0) <= value <= (setting.most or 0):
        return f"must be a whole number from {setting.values}"
    return None


def meant(setting: Setting, stored: object) -> Value:
    """The value that a stored one stands for; None stands for the default, and nonsense for what is safe."""
    if isinstance(stored, bool | int) and fault(setting, stored) is None:
        return stored
    if stored is None or setting.blind is None:
        return setting.default
    return setting.blind


def table() -> str:
    """The registry as a Markdown table."""
    head = ["| name | kind | default | values | meaning | affects |", "|---|---|---|---|---|---|"]
    rows = [
        f"| `{s.name}` | {s.kind} | `{_shown(s.default)}` | {s.values} | {s.description} | {s.affects} |"
        for s in SETTINGS.values()
    ]
    return "\n".join([*head, *rows]) + "\n"


def _shown(value: Value) -> str:
    return str(value).lower()
