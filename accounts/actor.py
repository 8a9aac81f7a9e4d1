"""Who acts: the argument that decides what may be seen and done, and that the audit records."""

import getpass
import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from accounts.galleries import GalleryRow
from accounts.roles import Role, Scope
from faceplatform.database.compiled import Compiled, Given
from faceplatform.errors import NotAllowed

if TYPE_CHECKING:
    from accounts.models import ApiKey, Membership, User


class Via(models.TextChoices):
    """Where an actor comes in."""

    WEB = "web", gettext_lazy("Pages")
    API = "api", "API"
    ADMIN = "admin", gettext_lazy("Admin site")
    CLI = "cli", gettext_lazy("Command line")
    SYSTEM = "system", gettext_lazy("System")


@dataclass(frozen=True, slots=True)
class Actor:
    """A user, perhaps through an API key. Without a user: the platform itself or its command line, which may do everything."""

    user: "User | None" = None
    api_key: "ApiKey | None" = None
    via: Via = Via.SYSTEM
    ip: str | None = None
    request_id: str = ""
    name: str = ""

    @classmethod
    def from_request(cls, request: HttpRequest, via: Via) -> "Actor":
        """The signed-in user, and the API key in use if there is one. Raises NotAllowed if nobody is signed in."""
        user = request.user
        if not user.is_authenticated:
            raise NotAllowed(_("Sign in first."))
        return cls(
            user=user,
            api_key=getattr(request, "auth", None),
            via=via,
            ip=address_of(request),
            request_id=getattr(request, "request_id", ""),
            name=user.get_username(),
        )

    @classmethod
    def of_visitor(cls, request: HttpRequest, via: Via) -> "Actor":
        """Somebody who is not signed in, for the audit alone: never ask such an actor what it may do."""
        return cls(
            via=via,
            ip=address_of(request),
            request_id=getattr(request, "request_id", ""),
            name=gettext_noop("(not signed in)"),
        )

    def as_record(self) -> dict[str, Any]:
        """What a queued request stores besides the user, so that the worker can write the audit in the actor's name. JSON."""
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
    def from_record(cls, user: "User | None", record: dict[str, Any], api_key: "ApiKey | None" = None) -> "Actor":
        """The actor that `as_record` stored. Raises NotAllowed if its user has been deleted since."""
        if user is None and not record["is_platform"]:
            raise NotAllowed(_("%(name)s, who asked for this, no longer has an account.") % {"name": record["name"]})
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
        """Raises NotAllowed if the API key in use lacks `scope`. Without a key, a user has every scope."""
        if self.api_key is not None and scope not in self.api_key.scopes:
            raise NotAllowed(
                _("This API key lacks the scope “%(scope)s”. Create a key that has it.") % {"scope": scope},
                code="scope_missing",
            )

    def role_in(self, gallery: GalleryRow) -> Role | None:
        """The actor's role in `gallery`; None if the gallery is hidden from it, as one that is being deleted is from any user."""
        if self.api_key is not None and self.api_key.gallery_id not in (None, gallery.pk):
            return None
        if self.user is None:
            return Role.OWNER
        if gallery.deletes_at is not None:
            return None
        if self.sees_everything:
            return Role.OWNER
        membership = MEMBERSHIP.first(user=self.user.pk, gallery=gallery.pk)
        return Role(membership.role) if membership else None

    def require_role(self, gallery: GalleryRow, role: Role) -> None:
        """Raises NotAllowed if the actor has less than `role` in `gallery`."""
        held = self.role_in(gallery)
        if held is None or held < role:
            raise NotAllowed(
                _("This needs the role %(role)s in the gallery “%(gallery)s”. Ask one of its owners for it.")
                % {"role": role.in_a_sentence, "gallery": gallery.name}
            )


def _memberships() -> "QuerySet[Membership]":
    rows = apps.get_model("accounts", "Membership").objects.order_by()
    return rows.filter(user=Given("user"), gallery=Given("gallery"))


MEMBERSHIP = Compiled(_memberships)


def address_of(request: HttpRequest) -> str | None:
    """The client's IP address; None if there is none, or a proxy passed on something that is no address."""
    try:
        return str(ip_address(request.META.get("REMOTE_ADDR", "").partition("%")[0]))
    except ValueError:
        return None


def system_actor() -> Actor:
    """The platform itself, as in background jobs."""
    return Actor(name=gettext_noop("system"))


def cli_actor() -> Actor:
    """Whoever runs a command on this machine. They may do everything: they can read the database's password anyway."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # in a container the user id may have no name
        name = f"uid {os.getuid()}"
    return Actor(via=Via.CLI, name=name)
