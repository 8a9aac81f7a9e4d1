"""Who is known: galleries, identities, and their enrolled faces with one embedding a model pack."""

import uuid6
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from pgvector.django import HalfVectorField

from gallery.querysets import FaceSampleQuerySet, GalleryQuerySet, IdentityQuerySet


class ThresholdSource(models.TextChoices):
    """Where a gallery's threshold comes from. A single recognition may also bring its own ("request")."""

    SIZE = "size", "Follows the gallery's size"
    CALIBRATED = "calibrated", "Calibrated on the gallery's own faces"
    MANUAL = "manual", "Set by hand"


class QualityGate(models.TextChoices):
    OFF = "off", "Off: any single face"
    STANDARD = "standard", "Standard: refuses unusable faces, warns of poor ones"
    STRICT = "strict", "Strict: refuses poor faces"


class Gallery(models.Model):
    """A closed set of identities, with its own members, threshold, model pack and retention."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    slug = models.SlugField(max_length=50, unique=True, help_text="Its name in addresses, commands and API calls.")
    name = models.CharField(max_length=100)
    pack = models.CharField(max_length=50, help_text="The model pack in force.")
    threshold_source = models.CharField(
        max_length=10, choices=ThresholdSource.choices, default=ThresholdSource.SIZE, verbose_name="threshold"
    )
    threshold_distance = models.FloatField(
        null=True, blank=True, help_text="Largest distance that still counts as the same person. Empty: by size."
    )
    target_fpir = models.FloatField(
        default=0.01,
        validators=[MinValueValidator(0.0001), MaxValueValidator(0.5)],
        help_text="Share of strangers that may be taken for somebody; the threshold by size aims at it.",
        verbose_name="target FPIR",
    )
    quality_gate = models.CharField(max_length=10, choices=QualityGate.choices, default=QualityGate.STANDARD)
    keep_photos = models.BooleanField(default=False, help_text="Keep photos sent for recognition, not only the faces.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

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
                violation_error_message="A threshold set by hand or calibrated needs a distance above 0; one by size has none.",
            ),
            models.CheckConstraint(
                name="gallery_target_fpir_range", condition=Q(target_fpir__gt=0, target_fpir__lte=0.5)
            ),
            models.CheckConstraint(name="gallery_quality_gate_known", condition=Q(quality_gate__in=QualityGate.values)),
        ]

    def __str__(self):
        return self.name


class Identity(models.Model):
    """A person in one gallery. Inactive people are kept but never proposed."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="identities")
    name = models.CharField(max_length=200)
    external_id = models.CharField(max_length=100, blank=True, help_text="The person's number in your own system.")
    department = models.CharField(max_length=100, blank=True)
    position = models.CharField(max_length=100, blank=True)
    active = models.BooleanField(default=True)
    metadata = models.JSONField(default=dict, blank=True)
    last_recognized_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = IdentityQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(
                fields=["gallery", "external_id"],
                condition=~Q(external_id=""),
                name="identity_external_id_once",
                violation_error_code="unique",
                violation_error_message="Another person in this gallery has this external id.",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="identity_has_name"),
            # The samples' composite foreign key points at this pair.
            models.UniqueConstraint(fields=["id", "gallery"], name="identity_in_gallery"),
        ]
        indexes = [models.Index(fields=["gallery", "name", "id"], name="identity_by_name")]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("identity", args=[self.gallery.slug, self.pk])


class FaceSample(models.Model):
    """One enrolled face of an identity: where it came from and how good it is. Its picture is the FaceCrop.

    box: x, y, width, height in px of the photo (photo_width x photo_height, EXIF orientation applied).
    quality: {"measures": {name: number}, "reasons": [reason code, ...]}.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+")
    identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="samples")
    photo_name = models.CharField(max_length=255, blank=True)
    photo_sha256 = models.CharField(max_length=64)
    photo_width = models.PositiveIntegerField()
    photo_height = models.PositiveIntegerField()
    box = models.JSONField()
    detection_score = models.FloatField()
    quality_score = models.FloatField()
    quality = models.JSONField(default=dict)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = FaceSampleQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["identity", "photo_sha256"], name="sample_photo_once"),
            models.UniqueConstraint(fields=["id", "gallery"], name="sample_in_gallery"),
            models.CheckConstraint(
                condition=Q(detection_score__range=(0, 1), quality_score__range=(0, 1)), name="sample_scores_range"
            ),
        ]

    def __str__(self):
        return f"{self.identity}: {self.photo_name or 'a face'}"


class FaceCrop(models.Model):
    """A sample's picture: about 1.6x the face box, long side at most 320 px, so that any pack can embed it again.

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
    """A sample's vector under one model pack. L2 orders the vectors of every pack.

    The key leads with the gallery: searches filter on it, and the table can be distributed by it.
    """

    pk = models.CompositePrimaryKey("gallery_id", "pack", "sample_id")
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    pack = models.CharField(max_length=50)
    sample = models.ForeignKey(FaceSample, on_delete=models.CASCADE, related_name="embeddings")
    vector = HalfVectorField()

    def __str__(self):
        return f"{self.pack} vector of {self.sample_id}"
