"""What deliveries need from outside of their transactions."""

from functools import cached_property

import httpx

from app.delivery.gateway.registry import Gateways
from app.delivery.presence import Signs
from app.kernel import clock
from app.kernel.settings import Settings
from app.policies.verbs import Verb


class Resources:
    """The client for gateways, the settings of this process, and the verbs that agents may call."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings, verbs: tuple[Verb, ...] = ()) -> None:
        self.http = http
        self.settings = settings
        self.verbs = verbs
        self.signs = Signs(is_simulated=settings.clock == clock.SIMULATED)

    @cached_property
    def gateways(self) -> Gateways:
        return Gateways(self.http, self.settings)
