"""All adapters of one process, and what each profile may use of what the operator gave: addresses, tokens, commands."""

from collections.abc import Mapping

import httpx
import msgspec

from app.agents.executors import ADDRESSED
from app.agents.types import Adapter
from app.delivery.gateway.chat import Chat
from app.delivery.gateway.contract import Gateway
from app.delivery.gateway.peers import Peers
from app.delivery.gateway.process import Processes
from app.delivery.gateway.responses import Responses
from app.delivery.gateway.scripted import Scripted
from app.delivery.types.runs import FailureClass, GatewayError, Profile
from app.kernel.outside import origin_of
from app.kernel.settings import Settings


class Gateways:
    """`resolved` first: it fills a profile from the environment; then `of(profile.adapter)` encodes, sends and reads."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._settings = settings
        self._adapters: Mapping[Adapter, Gateway] = {
            Adapter.RESPONSES: Responses(http),
            Adapter.CHAT: Chat(http),
            Adapter.PROCESS: Processes(settings.executor_commands),
            Adapter.MCP: Peers(),
            Adapter.SCRIPTED: Scripted(),
        }

    def of(self, adapter: Adapter) -> Gateway:
        return self._adapters[adapter]

    def resolved(self, profile: Profile) -> Profile:
        """The profile with the environment's address where it has none; a GatewayError if there is none that is allowed."""
        if profile.adapter not in ADDRESSED:
            return profile
        url = profile.url
        if url is None and profile.adapter is Adapter.RESPONSES:
            url = self._settings.openclaw_gateway_url
        if url is None:
            message = f"no gateway is set: OPENCLAW_GATEWAY_URL is empty and the profile {profile.name} names no address"
            raise GatewayError(FailureClass.UNAVAILABLE, message, may_have_arrived=False)
        return msgspec.structs.replace(profile, url=url)

    def token(self, profile: Profile) -> str | None:
        """The bearer token that is bound to exactly the origin of the profile's address, if there is one."""
        if profile.url is None or profile.adapter not in ADDRESSED:
            return None
        own, bound = self._settings.openclaw_gateway_url, self._settings.gateway_origins
        found = bound.find(profile.url) if bound else None
        if found is not None and found.variable is not None:
            return _held(found.variable, found.token)
        if own and origin_of(profile.url) == origin_of(own):
            return self._settings.openclaw_gateway_token
        return None

    def dependency(self, profile: Profile) -> str:
        """The name under which the breaker knows what the profile calls."""
        origin = origin_of(profile.url) if profile.url and profile.adapter in ADDRESSED else None
        if origin is not None:
            return f"{origin[0]}://{origin[1]}:{origin[2]}"
        return f"{profile.adapter}:{profile.settings.get('command', profile.name)}"


def _held(variable: str, token: str | None) -> str:
    if token is None:
        message = f"the environment variable {variable} with the token for this origin is not set"
        raise GatewayError(FailureClass.AUTH, message, may_have_arrived=False)
    return token
