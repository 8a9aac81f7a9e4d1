"""Galleries, identities, and their enrolled faces with one embedding per model pack.

Deletion is soft until the purge: `objects` leaves deleted rows out, `with_deleted` has them all. Whenever a person or a
sample is changed, a trigger copies the old row to a history table; gallery/curation/history.py reads it to undo changes.
"""

from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

import pghistory
import pgtrigger
import uuid6
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from faceplatform import setting_values
from faceplatform.database.names import NameField, SearchableField, folded_sql
from faceplatform.dates import server_today
from gallery.querysets import FaceSampleQuerySet, GalleryQuerySet, IdentityQuerySet


class ThresholdSource(models.TextChoices):
    """Where a gallery's threshold comes from. A recognition request may also bring its own ("request")."""

    SIZE = "size", _("Follows the gallery's size")
    CALIBRATED = "calibrated", _("Calibrated on the gallery's own faces")
    MANUAL = "manual", _("Set by hand")


class QualityGate(models.TextChoices):
    OFF = "off", _("Off: any single face")
    STANDARD = "standard", _("Standard: refuses unusable faces, warns of poor ones")
    STRICT = "strict", _("Strict: refuses poor faces")


class Liveness(models.TextChoices):
    """What is made of a live picture whose face may be a photo or a screen held up to the camera."""

    OFF = "off", _("Off: nothing is checked")
    HINT = "hint", _("Hint: says so beside the face")
    REFUSE = "refuse", _("Refuse: nobody is recognised by it")


class Consent(models.TextChoices):
    """Whether a person has agreed to being recognised."""

    NOT_ASKED = "", _("Not asked")
    GIVEN = "given", _("Given")
    REFUSED = "refused", _("Refused")
    WITHDRAWN = "withdrawn", _("Withdrawn")


def validate_time_zone(text: str) -> None:
    try:
        setting_values.time_zone(text)
    except ValueError:
        message = _("No time zone is called “%(name)s”. Write one such as Europe/Berlin.")
        raise ValidationError(message, params={"name": text}) from None


class Gallery(models.Model):
    """A closed set of identities, with its own members, threshold, model pack and retention.

    deletes_at: set while the gallery is being deleted; see gallery/closing.py. deletion: {"by": who asked for it, "reason",
    "began": whether rows have been deleted, "counts": how many so far, by table}.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    slug = models.SlugField(
        max_length=50, unique=True, help_text=_("The gallery's name in URLs, commands and API calls.")
    )
    name = NameField(max_length=100)
    pack = models.CharField(max_length=50, help_text=_("The model pack in force."))
    threshold_source = models.CharField(
        max_length=10, choices=ThresholdSource.choices, default=ThresholdSource.SIZE, verbose_name=_("threshold")
    )
    threshold_distance = models.FloatField(
        null=True,
        blank=True,
        help_text=_(
            "The largest distance that still counts as the same person. Empty if it follows the gallery's size."
        ),
    )
    target_fpir = models.FloatField(
        default=0.01,
        validators=[MinValueValidator(0.0001), MaxValueValidator(0.5)],
        help_text=_(
            "The share of strangers that may be mistaken for somebody. A threshold by the gallery's size aims at it."
        ),
        verbose_name=_("target FPIR"),
    )
    quality_gate = models.CharField(max_length=10, choices=QualityGate.choices, default=QualityGate.STANDARD)
    liveness = models.CharField(
        max_length=10,
        choices=Liveness.choices,
        default=Liveness.OFF,
        db_default=Liveness.OFF,
        verbose_name=_("pictures held up to a camera"),
        help_text=_(
            "Whether faces of cameras and live pictures are checked for being a photo or a screen. A hint, no proof."
        ),
    )
    keep_photos = models.BooleanField(
        default=False, help_text=_("Keep the photos sent for recognition, not only the faces found in them.")
    )
    requires_consent = models.BooleanField(
        default=False, help_text=_("People without valid consent are neither recognised nor enrolled.")
    )
    time_zone = models.CharField(
        max_length=50,
        blank=True,
        default="",
        db_default="",
        validators=[validate_time_zone],
        help_text=_("Whose days count, such as Europe/Berlin. Empty: the installation's."),
    )
    day_starts_at = models.TimeField(
        default=time(0),
        db_default=time(0),
        help_text=_("When a day begins; later than midnight where people work at night."),
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    deletes_at = models.DateTimeField(null=True, editable=False)
    deletion = models.JSONField(null=True, editable=False)

    objects = GalleryQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "galleries"
        constraints = [
            models.CheckConstraint(
                name="gallery_threshold_has_source",
                condition=Q(threshold_source="size", threshold_distance__isnull=True)
                | Q(
                    threshold_source__in=["calibrated", "manual"],
                    threshold_distance__isnull=False,
                    threshold_distance__gt=0,
                ),
                violation_error_message=_(
                    "A calibrated or manual threshold needs a distance above 0; one by size has none."
                ),
            ),
            models.CheckConstraint(
                name="gallery_target_fpir_range", condition=Q(target_fpir__gt=0, target_fpir__lte=0.5)
            ),
            models.CheckConstraint(name="gallery_quality_gate_known", condition=Q(quality_gate__in=QualityGate.values)),
            models.CheckConstraint(name="gallery_liveness_known", condition=Q(liveness__in=Liveness.values)),
        ]

    def __str__(self):
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone or settings.TIME_ZONE)


class NotDeletedManager(models.Manager):
    """Leaves out deleted rows."""

    def get_queryset(self):
        return super().get_queryset().filter(deleted_at=None)


class NotDeletedSampleManager(NotDeletedManager):
    """Leaves out deleted samples, and the samples of deleted people."""

    def get_queryset(self):
        return super().get_queryset().filter(identity__deleted_at=None)


def keeps_history(name: str, *trackers, **options):
    """Gives the model a history table, which keeps each row as it was before a change, and which change that was."""
    return pghistory.track(
        pghistory.UpdateEvent(row=pghistory.Old),
        pghistory.DeleteEvent(),
        *trackers,
        model_name=name,
        obj_field=pghistory.ObjForeignKey(related_name="history", related_query_name="+"),
        **options,
    )


SEARCHED = ("name", "external_id", "department", "position")
SEARCHED_SQL = f"concat_ws(chr(10), {', '.join(f'NEW.{name}' for name in SEARCHED)})"


@keeps_history("IdentityHistory", pghistory.InsertEvent(), exclude=["last_recognized_at", "searchable"])
class Identity(models.Model):
    """A person in one gallery.

    Inactive people are kept but never proposed; hidden ones are recognised but not shown on the dashboard. A person
    merged into another is deleted, and `merged_into` names the person who received the samples; one moved to another gallery
    is deleted, and `moved_to` is the entry there.

    consent_until: the last day on which the consent is valid; empty if it is valid until withdrawn.
    searchable: what SEARCHED hold, without case and accents; a trigger keeps it.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="identities")
    name = NameField(max_length=200)
    external_id = NameField(max_length=200, blank=True, help_text=_("The person's number in your own system."))
    department = NameField(max_length=100, blank=True)
    position = NameField(max_length=100, blank=True)
    active = models.BooleanField(default=True)
    hidden = models.BooleanField(default=False)
    consent = models.CharField(
        max_length=10, choices=Consent.choices, default=Consent.NOT_ASKED, db_default="", blank=True
    )
    consent_by = NameField(
        max_length=200,
        blank=True,
        db_default="",
        verbose_name=_("stated by"),
        help_text=_("Who gave the answer, or the document that records it."),
    )
    consent_at = models.DateField(null=True, blank=True, verbose_name=_("stated on"))
    consent_until = models.DateField(
        null=True,
        blank=True,
        verbose_name=_("valid until"),
        help_text=_("The last valid day. Empty if valid until withdrawn."),
    )
    consent_note = models.TextField(blank=True, db_default="", max_length=2000, verbose_name=_("note"))
    merged_into = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    moved_to = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="moved_from", editable=False
    )
    deleted_at = models.DateTimeField(null=True, editable=False)
    searchable = SearchableField(db_default="", editable=False)
    metadata = models.JSONField(default=dict, blank=True)
    last_recognized_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = NotDeletedManager.from_queryset(IdentityQuerySet)()
    with_deleted = IdentityQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(
                fields=["gallery", "external_id"],
                condition=~Q(external_id="") & Q(deleted_at=None),
                name="identity_external_id_once",
                violation_error_code="unique",
                violation_error_message=_("Another person in this gallery already has this external id."),
            ),
            models.CheckConstraint(condition=~Q(name=""), name="identity_has_name"),
            # The samples' composite foreign key points at this pair.
            models.UniqueConstraint(fields=["id", "gallery"], name="identity_in_gallery"),
            models.CheckConstraint(
                condition=Q(merged_into=None) | Q(deleted_at__isnull=False), name="identity_merged_is_deleted"
            ),
            models.CheckConstraint(name="identity_consent_known", condition=Q(consent__in=Consent.values)),
            models.CheckConstraint(
                name="identity_consent_has_source",
                condition=~Q(consent="given") | (~Q(consent_by="") & Q(consent_at__isnull=False)),
                violation_error_message=_("To record consent as given, say who gave it (or which document) and when."),
            ),
            models.CheckConstraint(
                name="identity_consent_ends_later",
                condition=Q(consent_until=None) | Q(consent_until__gte=F("consent_at")),
                violation_error_message=_("Consent cannot expire before it was given."),
            ),
        ]
        indexes = [models.Index(fields=["gallery", "name", "id"], name="identity_by_name")]
        triggers = [
            pgtrigger.Trigger(
                name="searchable",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf(*SEARCHED),
                func=f"NEW.searchable = {folded_sql(SEARCHED_SQL)}; RETURN NEW;",
            )
        ]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("identity", args=[self.gallery.slug, self.pk])

    @property
    def has_valid_consent(self) -> bool:
        """The same rule as the queryset's `with_valid_consent()` and the search in gallery/search/query.py."""
        expired = self.consent_until is not None and self.consent_until < server_today()
        return self.consent == Consent.GIVEN and not expired

    @property
    def current(self) -> "Identity | None":
        """This person, or the one it was merged into; None if deleted. Select `merged_into` to avoid queries."""
        if self.deleted_at is None:
            return self
        return self.merged_into.current if self.merged_into else None


@keeps_history(
    "SampleHistory",
    pghistory.InsertEvent(
        condition=pgtrigger.Q(new__rejected=True)
    ),  # recording a rejected face can be undone; enrolment is not
    fields=["identity", "rejected", "deleted_at"],
)
class FaceSample(models.Model):
    """One enrolled face of an identity: where it came from and how good it is. Its picture is in FaceCrop.

    rejected: "not X". A curator said that this face is not the identity. If a probe's nearest sample of the person is a
    rejected one, the person is not proposed.

    box: x, y, width, height in px of the photo (photo_width x photo_height, EXIF orientation applied).
    quality: {"measures": {name: number}, "reasons": [reason code, ...]}.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="samples")
    photo_name = NameField(max_length=255, blank=True)
    photo_sha256 = models.CharField(max_length=64)
    photo_width = models.PositiveIntegerField()
    photo_height = models.PositiveIntegerField()
    box = models.JSONField()
    detection_score = models.FloatField()
    quality_score = models.FloatField()
    quality = models.JSONField(default=dict)
    rejected = models.BooleanField(default=False)
    deleted_at = models.DateTimeField(null=True, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = NotDeletedSampleManager.from_queryset(FaceSampleQuerySet)()
    with_deleted = FaceSampleQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["identity", "photo_sha256"],
                condition=Q(deleted_at=None, rejected=False),
                name="sample_photo_once",
            ),
            models.UniqueConstraint(fields=["id", "gallery"], name="sample_in_gallery"),
            models.CheckConstraint(
                condition=Q(detection_score__range=(0, 1), quality_score__range=(0, 1)), name="sample_scores_range"
            ),
        ]
        indexes = [
            models.Index(fields=["gallery", "photo_sha256"], name="sample_by_photo"),
            models.Index(fields=["gallery", "id"], name="sample_by_gallery"),
        ]

    def __str__(self):
        return f"{self.identity}: {self.photo_name or 'a face'}"


def history_of(model: type[models.Model]) -> type[Any]:
    """The history table of a model that keeps one. pghistory makes its class, so type checkers do not know it."""
    name = "SampleHistory" if model is FaceSample else f"{model.__name__}History"
    return apps.get_model(model._meta.app_label, name)


class FaceCrop(models.Model):
    """A sample's picture: about 1.6x the face box, at most 320 px on the long side; enough for any pack to embed it again.

    landmarks: five [x, y] in px of the crop: left eye, right eye, nose, left and right mouth corner (of the image).
    """

    sample = models.OneToOneField(FaceSample, on_delete=models.CASCADE, primary_key=True, related_name="crop")
    jpeg = models.BinaryField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    landmarks = models.JSONField()

    def __str__(self):
        return f"Crop of {self.sample_id}"


class FaceEmbedding(models.Model):
    """A sample's vector under one model pack. Vectors of every pack are compared by L2 distance.

    The primary key starts with the gallery: searches filter on it, and the table can be distributed by it.
    """

    pk = models.CompositePrimaryKey("gallery_id", "pack", "sample_id")
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    pack = models.CharField(max_length=50)
    sample = models.ForeignKey(FaceSample, on_delete=models.CASCADE, related_name="embeddings")
    vector = HalfVectorField()

    def __str__(self):
        return f"{self.pack} vector of {self.sample_id}"


class VectorIndex(models.Model):
    """A gallery's own HNSW index over its vectors of one pack. Without one, the gallery is searched exactly.

    ef_search: the size of HNSW's candidate list, the smallest with which `recall` (recall@1 against an exact search,
    measured on the gallery's own vectors) is high enough. size_bytes, build_seconds, rows: as of the build.
    """

    class State(models.TextChoices):
        BUILDING = "building", "Being built"
        READY = "ready", "In use"
        DROPPING = "dropping", "Being dropped"

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="vector_indexes")
    pack = models.CharField(max_length=50)
    name = models.CharField(max_length=63, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.BUILDING)
    ef_search = models.PositiveSmallIntegerField(default=40)
    recall = models.FloatField(null=True)
    recall_probes = models.PositiveIntegerField(null=True)
    rows = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0)
    build_seconds = models.FloatField(null=True)
    built_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "vector indexes"
        constraints = [models.UniqueConstraint(fields=["gallery", "pack"], name="vector_index_once")]

    def __str__(self):
        return self.name
