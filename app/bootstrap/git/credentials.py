"""Which credential an address gets: that of its exact origin, or none."""

from dataclasses import dataclass, field

from app.bootstrap.git import askpass
from app.bootstrap.git.addresses import Address
from app.kernel.outside import origin_of
from app.kernel.settings import Settings

DEFAULT_USER = "git"


@dataclass(frozen=True, slots=True)
class Credential:
    """A user and a token for one origin, never shown."""

    origin: str
    user: str
    token: str = field(repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """As the askpass program of one call reads them."""
        return {askpass.ORIGIN: self.origin, askpass.USER: self.user, askpass.TOKEN: self.token}


def credential_for(settings: Settings, address: Address) -> Credential | None:
    if address.origin is None:
        return None
    scheme, host, port = address.origin
    origin = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    user = settings.repo_user or DEFAULT_USER
    if settings.repo_token and settings.repo_url and origin_of(settings.repo_url) == address.origin:
        return Credential(origin, user, settings.repo_token)
    bound = settings.repository_origins.find(address.given) if settings.repository_origins else None
    return Credential(origin, DEFAULT_USER, bound.token) if bound and bound.token else None
