"""How the free slots of a worker are shared."""

from collections.abc import Mapping

# The classes of `prio`, 0 the most urgent, and their weights when all have work; the rotation spreads them evenly.
PRIORITY_WEIGHTS: Mapping[int, int] = {0: 8, 1: 4, 2: 2, 3: 1}
ROTATION = (0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0)
PROBE_EVERY = 4


def shares(free: int, *, active: frozenset[int], turn: int) -> dict[int, int]:
    """How many commands of each priority class to claim: the active ones by weight, the quiet ones are only probed."""
    given = dict.fromkeys(PRIORITY_WEIGHTS, 0)
    quiet = [prio for prio in given if prio not in active]
    probes = min(len(quiet), free - 1) if free > 1 else int(turn % PROBE_EVERY == 0)
    for place in range(probes if quiet else 0):
        given[quiet[(turn // PROBE_EVERY + place) % len(quiet)]] += 1
    order = [prio for prio in ROTATION if prio in active] or ROTATION
    for place in range(free - sum(given.values())):
        given[order[(turn + place) % len(order)]] += 1
    return given


def share_of_lanes(free: int, *, lanes: bool, commands: bool, turn: int) -> int:
    """How many of the free slots are for lanes; who seemed to have nothing is only probed."""
    if lanes == commands:
        return (free + turn % 2) // 2
    probe = int(turn % PROBE_EVERY == 0)
    return free - probe if lanes else probe
