"""Reads, limited to what an actor may see. Whatever they hide is answered with 404."""

from django.apps import apps
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Cast

from accounts.roles import Role
from faceplatform.text import clean_name

UNDONE = "change.undone"
IMPORTED, ROWS_OF_IMPORTS = "import.created", ("identity.created", "sample.created")
UNDOABLE = (
    "face.confirmed",
    "face.named",
    "gallery.calibrated",
    "gallery.changed",
    "identity.changed",
    "identity.deleted",
    "identity.merged",
    "identity.split",
    "people.changed",
    "people.deleted",
    "people.moved",
    "retention.changed",
    "sample.deleted",
    "sample.moved",
    "sample.rejected",
    "samples.deleted",
    "samples.moved",
    "samples.rejected",
    "sighting.confirmed",
    "sighting.corrected",
    "unknown.ignored",
    "unknown.merged",
    "unknown.named",
    "unknown.shown",
    "unknown.split",
    UNDONE,
)


class GalleryScopedQuerySet(models.QuerySet):
    """Rows that belong to a gallery. gallery_path: the lookup from a row to the primary key of its gallery."""

    gallery_path = "gallery_id"

    def visible_to(self, actor, role: Role = Role.VIEWER):
        """Rows of the galleries in which `actor` holds at least `role`; no user sees those that are being deleted."""
        rows = self
        if actor.api_key is not None and actor.api_key.gallery_id is not None:
            rows = rows.filter(**{self.gallery_path: actor.api_key.gallery_id})
        if actor.user is None:
            return rows
        if actor.sees_everything:
            return rows.exclude(**{f"{self.gallery_path}__in": closed_galleries()})
        held = actor.user.memberships.filter(role__gte=role).values("gallery_id")
        return rows.filter(**{f"{self.gallery_path}__in": held})


def closed_galleries():
    """The ids of the galleries that are being deleted."""
    return apps.get_model("gallery", "Gallery").objects.filter(deletes_at__isnull=False).values("pk")


class OpenGalleryManager(models.Manager):
    """Leaves out memberships in galleries that are being deleted: they give no rights there, and do again after an undo."""

    def get_queryset(self):
        return super().get_queryset().filter(gallery__deletes_at=None)


class ApiKeyQuerySet(models.QuerySet):
    def visible_to(self, actor):
        """A user's own keys; for an operator, everybody's. With a key for one gallery, only keys for that gallery."""
        rows = self if actor.sees_everything else self.filter(user=actor.user)
        if actor.api_key is not None and actor.api_key.gallery_id is not None:
            rows = rows.filter(gallery_id=actor.api_key.gallery_id)
        return rows

    def usable_at(self, moment):
        """Keys that are neither expired nor revoked."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=moment), revoked_at__isnull=True)


class _RecordQuerySet(models.QuerySet):
    def visible_to(self, actor):
        """An operator sees all events, an owner those of their galleries, everybody those of their own acts."""
        rows = self
        if actor.api_key is not None and actor.api_key.gallery_id is not None:
            rows = rows.filter(gallery_id=actor.api_key.gallery_id)
        if actor.sees_everything:
            return rows
        owned = actor.user.memberships.filter(role__gte=Role.OWNER).values("gallery_id")
        return rows.filter(Q(gallery_id__in=owned) | Q(user=actor.user))


class AuditEventQuerySet(_RecordQuerySet):
    def with_undone(self):
        """Adds `undone`: whether a later event undid this one."""
        later = self.model._default_manager.filter(action=UNDONE, object_id=Cast(OuterRef("pk"), models.CharField()))
        return self.annotate(undone=Exists(later))

    def without_rows_of_imports(self):
        """Leaves out what single photos of an import did: its own event tells how many. They share its request id."""
        imports = self.model._default_manager.filter(action=IMPORTED).exclude(request_id="").values("request_id")
        return self.exclude(action__in=ROWS_OF_IMPORTS, request_id__in=imports)

    def rows_of_import(self, request_id: str):
        return self.filter(action__in=ROWS_OF_IMPORTS, request_id=request_id)

    def matching(self, text: str, actions=()):
        """Events whose action, user, object or gallery contains `text`, and those of these actions."""
        condition = Q(action__in=list(actions))
        for field in ("action", "user_name", "object_name", "gallery_slug", "object_id"):
            condition |= Q(**{f"{field}__icontains": clean_name(text)})
        return self.filter(condition) if text else self


class LookQuerySet(_RecordQuerySet):
    def at_people(self, ids):
        """Looks at these people and their pictures."""
        return self.filter(object_id__in=[str(pk) for pk in ids], kind__in=["person", "picture"])

    def of_access(self):
        """Sign-ins, right and wrong, and refusals."""
        return self.filter(kind__in=["sign_in", "sign_in_failed", "factor_failed", "refused"])

    def matching(self, text: str):
        """Looks whose kind, user, object or gallery contains `text`."""
        condition = Q()
        for field in ("kind", "user_name", "object_id", "gallery_slug"):
            condition |= Q(**{f"{field}__icontains": clean_name(text)})
        return self.filter(condition) if text else self
