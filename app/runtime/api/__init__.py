"""The runtime for its operators: REST under /api/v1/admin/runtime."""

from app.runtime.api import (
    alerts,
    breakers,
    clock,
    commands,
    contracts,
    deprecations,
    insight,
    letters,
    pauses,
    schedules,
    settings,
    tuning,
)

ROUTES = (
    *commands.ROUTES,
    *contracts.ROUTES,
    *letters.ROUTES,
    *alerts.ROUTES,
    *insight.ROUTES,
    *clock.ROUTES,
    *schedules.ROUTES,
    *settings.ROUTES,
    *pauses.ROUTES,
    *tuning.ROUTES,
    *breakers.ROUTES,
    *deprecations.ROUTES,
)
