"""Who acts: the one argument that carries access and what the audit writes down."""

import getpass
import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from django.apps import apps
from django.db import models

from accounts.roles import Role, Scope
from faceplatform.database.compiled import Compiled, Given
from faceplatform.errors import NotAllowed


class Via(models.TextChoices):
    WEB = "web", "Pages"
    API = "api", "API"
    ADMIN = "admin", "Admin site"
    CLI = "cli", "Command line"
    SYSTEM = "system", "System"


@dataclass(frozen=True, slots=True)
class Actor:
    """A user, perhaps through an API key; or nobody (`user` None): the platform itself or its command line, which see all."""

    user: Any = None
    api_key: Any = None
    via: Via = Via.SYSTEM
    ip: str | None = None
    request_id: str = ""
    name: str = ""

    @classmethod
    def from_request(cls, request, via: Via) -> "Actor":
        return cls(
            user=request.user,
            api_key=getattr(request, "auth", None),
            via=via,
            ip=_address_of(request),
            request_id=getattr(request, "request_id", ""),
            name=request.user.get_username(),
        )

    def as_record(self) -> dict:
        """What a queued request remembers besides the user, so that the worker can audit on the actor's behalf."""
        key = str(self.api_key.pk) if self.api_key else None
        return {
            "name": self.name,
            "via": self.via,
            "ip": self.ip,
            "request_id": self.request_id,
            "api_key": key,
            "api_key_prefix": self.api_key.prefix if self.api_key else "",
            "is_platform": self.user is None,
        }

    @classmethod
    def from_record(cls, user, record: dict, api_key=None) -> "Actor":
        """The actor of `as_record`. Raises NotAllowed where its user has been deleted since."""
        if user is None and not record["is_platform"]:
            raise NotAllowed(f"The account of {record['name']}, who asked for this, is gone.")
        return cls(
            user=user,
            api_key=api_key,
            via=Via(record["via"]),
            ip=record["ip"],
            request_id=record["request_id"],
            name=record["name"],
        )

    @property
    def sees_everything(self) -> bool:
        return self.user is None or (self.user.is_superuser and self.user.is_active)

    def require_scope(self, scope: Scope) -> None:
        """Raises NotAllowed where the API key in use lacks `scope`. A signed-in user has every scope."""
        if self.api_key is not None and scope not in self.api_key.scopes:
            raise NotAllowed(f"This API key lacks the scope “{scope}”. Create a key that has it.", code="scope_missing")

    def role_in(self, gallery) -> Role | None:
        """The actor's role in `gallery`; None where the gallery is hidden."""
        if self.api_key is not None and self.api_key.gallery_id not in (None, gallery.pk):
            return None
        if self.sees_everything:
            return Role.OWNER
        membership = MEMBERSHIP.first(user=self.user.pk, gallery=gallery.pk)
        return Role(membership.role) if membership else None

    def require_role(self, gallery, role: Role) -> None:
        """Raises NotAllowed where the actor is less than `role` in a gallery it can see."""
        held = self.role_in(gallery)
        if held is None or held < role:
            raise NotAllowed(
                f"This needs the role {role.label.lower()} in the gallery “{gallery.name}”. Ask one of its owners for it."
            )


def _memberships():
    rows = apps.get_model("accounts", "Membership").objects.order_by()
    return rows.filter(user=Given("user"), gallery=Given("gallery"))


MEMBERSHIP = Compiled(_memberships)


def _address_of(request) -> str | None:
    """The caller's IP address; None where there is none, or a proxy passed on what is no address."""
    try:
        return str(ip_address(request.META.get("REMOTE_ADDR", "").partition("%")[0]))
    except ValueError:
        return None


def system_actor() -> Actor:
    """The platform itself."""
    return Actor(name="system")


def cli_actor() -> Actor:
    """Whoever runs a command on the machine; they hold the database's key anyway."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        name = f"uid {os.getuid()}"
    return Actor(via=Via.CLI, name=name)
