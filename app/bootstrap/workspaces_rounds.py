"""One round over workspaces of an account: what is wrong with one keeps no other from being written; blocking."""

import hashlib
import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from uuid import UUID

import msgspec

from app.accounts.service import digest
from app.bootstrap import gateway_config, places
from app.bootstrap.rules import workspaces as rules
from app.bootstrap.types.workspaces import ENVIRONMENT, Agent, Place, WorkspaceState
from app.bootstrap.workspaces import Crew, Held, Member, Stand
from app.bootstrap.workspaces_contents import Contents, contents
from app.bootstrap.workspaces_files import Shelf, Trouble
from app.kernel.confined import Escapes
from app.kernel.settings import Settings

TOKEN_NAME = "workspace"  # noqa: S105


class Round:
    def __init__(self, settings: Settings, crew: Crew) -> None:
        self.crew = crew
        self._settings = settings
        self._root = places.workspaces(settings)
        self._shelf = Shelf(self._root, crew.account)
        self._troubles: dict[UUID, str] = {}

    @cached_property
    def token_name(self) -> str:
        """What tokens of this machine's workspaces are called: another machine's are not this one's to revoke."""
        place = hashlib.sha256(f"{socket.gethostname()}\0{self._root}".encode()).hexdigest()
        return f"{TOKEN_NAME} {place[:8]}"

    def tokens(self) -> dict[UUID, dict[str, str]]:
        """The tokens in each workspace by their SHA-256."""
        found = {}
        for one in self.crew.members:
            try:
                # A retired agent's are all revoked, whatever is in its files.
                held = [] if one.is_retired else self._held(one)
            except Trouble as error:
                self._troubles[one.id] = str(error)
            else:
                found[one.id] = {digest(token).hex(): token for token in held}
        return found

    def _held(self, member: Member) -> list[str]:
        if not (rules.is_safe(member.slug) and rules.is_safe(self.crew.account)):
            raise Trouble("its slug is no safe name for a directory")
        return self._shelf.tokens(member.slug)

    def furnish(self, keys: Mapping[UUID, Held], restored: Collection[str]) -> list[Stand]:
        """Write what is to be written; answers how each workspace stands, in the order of the crew."""
        stands = [self._stand(one, keys, restored) for one in self.crew.members]
        if self.crew.is_whole:
            self._clear_strangers()
        return stands

    def tell_gateway(self, stands: Sequence[Stand]) -> tuple[list[Stand], str | None]:
        """Write the gateway's configuration if it changed; how workspaces stand with the ids there, and what is wrong with it."""
        members = {one.id: one for one in self.crew.members if one.is_in_gateway and rules.is_safe(one.slug)}
        known = {(self.crew.account, one.slug): one.before["gateway_id"] for one in members.values()}
        try:
            ids: Mapping[Agent, str | None] = gateway_config.written(self._settings, self._root, known=known).ids
            problem = None
        except (Trouble, Escapes) as error:
            ids, problem = known, f"CALLBOARD_GATEWAY_CONFIG: {error}"
        except OSError as error:
            ids, problem = known, f"CALLBOARD_GATEWAY_CONFIG: {error.strerror}"
        named = {agent_id: ids.get((self.crew.account, one.slug)) for agent_id, one in members.items()}
        return [msgspec.structs.replace(one, gateway_id=named.get(one.agent_id)) for one in stands], problem

    def _stand(self, member: Member, keys: Mapping[UUID, Held], restored: Collection[str]) -> Stand:
        path = str(self._root / self.crew.account / member.slug)
        before = member.before
        failed = Stand(
            agent_id=member.id,
            state=WorkspaceState.FAILED,
            path=path,
            digest=before["digest"],
            files=before["files"] or 0,
            edited=tuple(before["edited"] or ()),
            warnings=tuple(before["warnings"] or ()),
            token_id=before["token_id"],
        )
        try:
            if member.id in self._troubles:
                raise Trouble(self._troubles[member.id])
            if member.is_retired:
                self._shelf.clear(member.slug)
                return Stand(agent_id=member.id, state=WorkspaceState.REMOVED, path=path)
            return self._settled(member, keys[member.id], restored, path)
        except Trouble as error:
            return msgspec.structs.replace(failed, problem=str(error))

    def _settled(self, member: Member, key: Held, restored: Collection[str], path: str) -> Stand:
        try:
            made = contents(member.facts, token=key.token or "", settings=self._settings)
        except Exception as error:
            # Whatever the texts of one agent lead to.
            raise Trouble(f"its files cannot be made: {type(error).__name__}") from error
        settled = self._shelf.settle(
            member.slug, member.id, made.pieces, scaffold=made.scaffold, restored=restored, place=self._place(member, made)
        )
        return Stand(
            agent_id=member.id,
            state=WorkspaceState.SYNCED,
            path=path,
            digest=rules.digest(made.pieces, without=ENVIRONMENT),
            files=len(made.pieces),
            edited=settled.edited,
            warnings=made.warnings,
            token_id=key.id,
        )

    def _place(self, member: Member, made: Contents) -> Place | None:
        if not member.is_in_gateway:
            return None
        facts = member.facts.agent
        return Place(
            account=self.crew.account,
            slug=member.slug,
            name=" ".join(facts["name"].split()),
            skills=made.skills,
            model=member.model,
        )

    def _clear_strangers(self) -> None:
        """Take away what was written for agents that the account does not have any more."""
        ours = {one.slug for one in self.crew.members}
        with suppress(Trouble):
            for slug in set(self._shelf.known()) - ours:
                self._shelf.clear(slug)
