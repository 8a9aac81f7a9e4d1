"""Users, their roles in galleries, API keys, and the audit of what was done."""

from datetime import timedelta

import uuid6
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts.actor import Via
from accounts.querysets import (
    UNDOABLE,
    ApiKeyQuerySet,
    AuditEventQuerySet,
    GalleryScopedQuerySet,
    LookQuerySet,
    OpenGalleryManager,
)
from accounts.roles import Role, Scope
from faceplatform.database.names import NameField


class Theme(models.TextChoices):
    """How pages look to a user."""

    AUTOMATIC = "", _("As the device")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class User(AbstractUser):
    """A person who signs in. Superusers are the operators: they see every gallery and the admin site."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    must_change_password = models.BooleanField(
        default=False,
        db_default=False,
        help_text="The password was given by somebody else: it is changed at the next sign-in.",
    )
    theme = models.CharField(max_length=5, choices=Theme.choices, blank=True, default="", db_default="")
    language = models.CharField(max_length=8, blank=True, default="", db_default="", help_text="Empty: the browser's.")
    time_zone = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Empty: the server's, FACEPLATFORM_TIME_ZONE."
    )


class CacheEntry(models.Model):
    """Django's cache in the database (settings.CACHES), which all web processes share; Django alone reads and writes it."""

    cache_key = models.CharField(primary_key=True, max_length=255)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    def __str__(self):
        return self.cache_key


class Membership(models.Model):
    """A user's role in one gallery. Without one, the gallery is hidden from that user."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    gallery = models.ForeignKey("gallery.Gallery", on_delete=models.CASCADE, related_name="memberships")
    role = models.PositiveSmallIntegerField(choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = OpenGalleryManager.from_queryset(GalleryScopedQuerySet)()
    with_closed = GalleryScopedQuerySet.as_manager()

    class Meta:
        ordering = ["user__username"]
        constraints = [
            models.UniqueConstraint(fields=["user", "gallery"], name="membership_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self):
        return f"{self.user} is {Role(self.role).name.lower()} of {self.gallery}"

    @property
    def role_in_a_sentence(self) -> str:
        return Role(self.role).in_a_sentence


class ApiKey(models.Model):
    """A key with which another system calls the API in a user's name. It is shown once; only its SHA-256 is stored.

    A key is 32 random bytes, so an unsalted hash is safe, and finding it takes one indexed read.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    gallery = models.ForeignKey(
        "gallery.Gallery",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        help_text="Empty: all galleries of the user.",
    )
    name = NameField(max_length=100, blank=True)
    prefix = models.CharField(max_length=12, help_text="The key's first characters, to tell keys apart.")
    key_hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices), default=list)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(scopes__contained_by=Scope.values), name="apikey_scopes_known"),
        ]

    def __str__(self):
        return f"{self.prefix}… of {self.user}"

    def is_usable(self, moment) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > moment)

    @property
    def lives_too_long(self) -> bool:
        """Longer than FACEPLATFORM_KEY_MAX_DAYS allows new keys to live; it works all the same."""
        longest = settings.KEY_MAX_DAYS and self.created_at + timedelta(days=settings.KEY_MAX_DAYS, minutes=1)
        return bool(longest) and self.is_usable(timezone.now()) and (not self.expires_at or self.expires_at > longest)

    @property
    def state(self) -> str:
        """valid, expired or revoked."""
        if self.revoked_at is not None:
            return gettext_noop("revoked")
        return gettext_noop("valid") if self.is_usable(timezone.now()) else gettext_noop("expired")


class RequestBucket(models.Model):
    """How often somebody called or tried lately: a leaky bucket, shared by all web processes; see buckets.py.

    The table is unlogged: cheap to write, and empty after a crash of the database.
    """

    subject = models.CharField(primary_key=True, max_length=45, help_text="key:ID or user:ID.")
    level = models.FloatField()
    allowed = models.BooleanField(help_text="Whether the last call was allowed.")
    at = models.DateTimeField()

    def __str__(self):
        return f"{self.subject}: {self.level:.0f}"


class IdempotentAnswer(models.Model):
    """The answer to a POST with an Idempotency-Key, for the same POST sent again; see idempotency.py.

    waits_for: the photos in the queue that the answer is about; if set, the answer is made again from their state. Else it is
    `body`, JSON text.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the call.")
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    headers = models.JSONField(default=dict)
    waits_for = ArrayField(models.UUIDField(), null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotent_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotent_by_age")]

    def __str__(self):
        return f"{self.key} of {self.user}"


class AuditEvent(models.Model):
    """What was done, by whom, from where. Written in the transaction of the act; a database trigger refuses to change it.

    With one exception: erasing a person empties `object_name` and `details` of the events that name them, and `redacted_by` is
    the event of that erasure (accounts/audit/chain.py). There are no foreign keys to users and galleries: events outlive them.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    at = models.DateTimeField(db_default=Now(), editable=False)
    action = models.CharField(max_length=60)
    user = models.ForeignKey(User, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    user_name = models.CharField(max_length=150, blank=True)
    api_key_prefix = models.CharField(max_length=12, blank=True)
    via = models.CharField(max_length=10, choices=Via.choices)
    ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    change_id = models.UUIDField(null=True, help_text="The id that its rows share in the history tables.")
    gallery_id = models.UUIDField(null=True)
    gallery_slug = models.CharField(max_length=50, blank=True)
    object_type = models.CharField(max_length=30, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict)
    redacted_by = models.UUIDField(null=True, help_text="The erasure that emptied name and details.")

    runtime_rights = (
        "SELECT",
        "INSERT",
        "UPDATE (object_name, details, redacted_by)",
    )  # faceplatform/database/roles.py
    undone: bool  # only with `with_undone()`
    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["gallery_id", "-id"], name="audit_by_gallery"),
            models.Index(fields=["user", "-id"], name="audit_by_user"),
            models.Index(fields=["object_id"], name="audit_by_object"),
            models.Index(fields=["change_id"], name="audit_by_change", condition=models.Q(change_id__isnull=False)),
        ]

    def __str__(self):
        return f"{self.action} by {self.user_name or self.via}"

    @property
    def can_be_undone(self) -> bool:
        """As far as the event itself tells; the rows may have changed since. Needs `with_undone()`."""
        possible = self.change_id is not None and self.redacted_by is None
        return possible and self.action in UNDOABLE and not self.undone


class AuditSeal(models.Model):
    """A link in the audit's hash chain; accounts/audit/chain.py says how it is made and checked.

    number: from 1, without gaps. commitment: SHA-256 of the salt, the event's name and details. digest: SHA-256 of the previous
    digest, the commitment, the rest of the event and `sealed_at`, the database's time. Without the salt, nobody can find the
    name and details by guessing.
    """

    number = models.PositiveBigIntegerField(primary_key=True)
    event_id = models.UUIDField(unique=True)
    salt = models.BinaryField(null=True)
    commitment = models.BinaryField()
    digest = models.BinaryField()
    sealed_at = models.DateTimeField(null=True, help_text="Null: before seals had a time.")

    runtime_rights = ("SELECT", "INSERT", "UPDATE (salt)")

    class Meta:
        ordering = ["number"]

    def __str__(self):
        return f"Seal {self.number}"


class Look(models.Model):
    """That somebody looked at a person, a recognition or a list, signed in, or was refused something; see accounts/looks/.

    One row for each actor, object and hour. object_id: the id of the person or recognition; for a refusal the method and the
    form of the address; else empty. Like the audit's events, looks have no foreign keys to users and galleries.
    """

    class Kind(models.TextChoices):
        PERSON = "person", _("Person")
        PICTURE = "picture", _("Picture of a person")
        PEOPLE = "people", _("List of people")
        RECOGNITION = "recognition", _("Recognition")
        RECOGNITIONS = "recognitions", _("List of recognitions")
        SIGN_IN = "sign_in", _("Signed in")
        SIGN_IN_FAILED = "sign_in_failed", _("Sign-in failed")
        FACTOR_FAILED = "factor_failed", _("Second factor failed")
        REFUSED = "refused", _("Refused")

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    hour = models.DateTimeField()
    user = models.ForeignKey(User, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    user_name = models.CharField(max_length=150, blank=True)
    api_key_prefix = models.CharField(max_length=12, blank=True)
    via = models.CharField(max_length=10, choices=Via.choices)
    ip = models.GenericIPAddressField(null=True)
    gallery_id = models.UUIDField(null=True)
    gallery_slug = models.CharField(max_length=50, blank=True)
    object_id = models.CharField(max_length=200, blank=True)
    count = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    objects = LookQuerySet.as_manager()

    class Meta:
        ordering = ["-hour", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "kind", "object_id", "user", "api_key_prefix", "via", "ip", "gallery_id"],
                name="look_once",
                nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["object_id", "-hour"], name="look_by_object")]

    def __str__(self):
        return f"{self.get_kind_display()}: {self.user_name or self.via}"
