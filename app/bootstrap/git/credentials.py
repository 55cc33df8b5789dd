"""Which credential a repository gets: the environment's own has REPO_TOKEN, any other what its exact origin is bound to."""

from dataclasses import dataclass, field

from app.bootstrap.git import askpass
from app.bootstrap.git.addresses import address_of
from app.bootstrap.rules import without_credentials
from app.bootstrap.types.vcs import Place
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


def credential_for(settings: Settings, place: Place) -> Credential | None:
    address = address_of(place)
    if address.origin is None:
        return None
    scheme, host, port = address.origin
    origin = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    if settings.repo_token and is_own(settings, place):
        return Credential(origin, settings.repo_user or DEFAULT_USER, settings.repo_token)
    bound = settings.repository_origins.find(address.given) if settings.repository_origins else None
    return Credential(origin, DEFAULT_USER, bound.token) if bound and bound.token else None


def is_own(settings: Settings, place: Place) -> bool:
    """Whether it is the repository of the environment: one that an account named at that origin is not."""
    return place.is_from_environment and place.url == without_credentials(settings.repo_url)
