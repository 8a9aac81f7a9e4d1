"""Cameras, their state and pictures, and who was seen by them.

A camera's rows that change many times a second (its state, its pictures) are tables of their own; those of the pictures are
UNLOGGED: a crash of the server empties them, and backups leave them out.
"""

import uuid6
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pgvector.django import HalfVectorField

from faceplatform.database.names import NameField
from gallery.models import Gallery, Identity, keeps_history
from recognition.cameras.querysets import CameraQuerySet, SightingQuerySet, UnknownPersonQuerySet
from recognition.photos.models import Decision


class CameraKind(models.TextChoices):
    RTSP = "rtsp", gettext_lazy("Network camera (RTSP)")
    MJPEG = "mjpeg", gettext_lazy("Network camera (MJPEG over HTTP)")
    FILE = "file", gettext_lazy("Video file")
    DEVICE = "device", gettext_lazy("Camera at this machine")
    WEBCAM = "webcam", gettext_lazy("Webcam of a browser")


class CameraRole(models.TextChoices):
    """What a sighting says about where a person goes; see recognition/attendance."""

    BOTH = "both", gettext_lazy("People pass both ways")
    ENTRANCE = "entrance", gettext_lazy("Entrance: who is seen comes in")
    EXIT = "exit", gettext_lazy("Exit: who is seen leaves")


class Camera(models.Model):
    """A camera of one gallery: where its pictures come from, and how they are looked at.

    address: rtsp(s):// or http(s):// without user and password; for a file its path below FACEPLATFORM_CAMERA_FOLDER; for a
    device its name from FACEPLATFORM_CAMERA_DEVICES; empty for a webcam. credentials: user and password, encrypted
    (faceplatform/sealed.py), {"user": str, "password": str}; empty if there are none.
    fps: how many pictures a second are searched for faces, at most. min_face_px: smaller faces are not used. min_frames: how many
    usable faces a name needs. masks: polygons [[x, y], …] in shares of the picture; what is inside is not looked at.
    retention_days, unknown_retention_days: how long sightings are kept; null: as the gallery's rule says.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="cameras")
    slug = models.SlugField(max_length=50, help_text="The camera's name in addresses and messages.")
    name = NameField(max_length=100)
    kind = models.CharField(max_length=10, choices=CameraKind.choices)
    address = models.CharField(max_length=1000, blank=True)
    credentials = models.TextField(blank=True, default="", editable=False)
    enabled = models.BooleanField(default=True)
    role = models.CharField(max_length=10, choices=CameraRole.choices, default=CameraRole.BOTH)
    fps = models.FloatField(default=4, validators=[MinValueValidator(0.5), MaxValueValidator(15)])
    min_face_px = models.PositiveSmallIntegerField(
        default=48, validators=[MinValueValidator(20), MaxValueValidator(500)]
    )
    min_frames = models.PositiveSmallIntegerField(default=3, validators=[MinValueValidator(1), MaxValueValidator(10)])
    masks = models.JSONField(default=list, blank=True)
    live = models.BooleanField(default=True, help_text="Whether its picture can be watched.")
    repeats = models.BooleanField(default=False, help_text="Whether a video file starts again at its end.")
    retention_days = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    unknown_retention_days = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = CameraQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["gallery", "slug"], name="camera_slug_once"),
            models.CheckConstraint(name="camera_kind_known", condition=Q(kind__in=CameraKind.values)),
            models.CheckConstraint(name="camera_role_known", condition=Q(role__in=CameraRole.values)),
            models.CheckConstraint(name="camera_has_name", condition=~Q(name="")),
            models.CheckConstraint(
                name="camera_ranges",
                condition=Q(fps__gt=0, fps__lte=15, min_frames__gte=1, min_frames__lte=10, min_face_px__gte=1),
            ),
        ]

    def __str__(self):
        return self.name


class CameraStatus(models.TextChoices):
    WAITING = "waiting", gettext_lazy("Waiting for a camera worker")
    CONNECTING = "connecting", gettext_lazy("Connecting")
    LIVE = "live", gettext_lazy("Live")
    DEGRADED = "degraded", gettext_lazy("Few pictures")
    OFFLINE = "offline", gettext_lazy("Offline")
    ENDED = "ended", gettext_lazy("The video is over")
    DISABLED = "disabled", gettext_lazy("Switched off")


class CameraState(models.Model):
    """What a camera does now, and the claim of the worker that reads it: like a row of the photos' queue, with token and lease.

    reason: a sentence for the page; it holds no secret. since: of the status. fps: pictures a second that arrive;
    analysed_fps: that are searched for faces. opening: set while the worker opens the source, so that a camera whose opening
    kills its worker is claimed alone the next time. watched_until: somebody looks at the live picture until then.
    """

    camera = models.OneToOneField(Camera, on_delete=models.CASCADE, primary_key=True, related_name="state")
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    status = models.CharField(max_length=10, choices=CameraStatus.choices, default=CameraStatus.WAITING)
    reason = models.CharField(max_length=300, blank=True, default="")
    since = models.DateTimeField(db_default=Now())
    last_frame_at = models.DateTimeField(null=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    fps = models.FloatField(null=True)
    analysed_fps = models.FloatField(null=True)
    drops = models.PositiveBigIntegerField(default=0)
    reconnects = models.PositiveIntegerField(default=0)
    opening = models.BooleanField(default=False)
    watched_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=300, blank=True, default="", help_text="Host and process of the worker.")
    claimed_by = models.UUIDField(null=True, editable=False)
    claim_token = models.UUIDField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(name="camera_status_known", condition=Q(status__in=CameraStatus.values)),
            models.CheckConstraint(
                name="camera_claim_has_lease",
                condition=Q(claim_token__isnull=True, lease_expires_at__isnull=True)
                | Q(claim_token__isnull=False, lease_expires_at__isnull=False),
            ),
        ]

    def __str__(self):
        return f"{self.camera}: {self.get_status_display()}"


class LivePeriod(models.Model):
    """A time in which a camera gave pictures. ended_at moves on with the worker's signs of life.

    Where no camera gave pictures, nobody can be called absent.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="live_periods")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="live_period_forward", condition=Q(ended_at__gte=F("began_at"))),
        ]
        indexes = [models.Index(fields=["gallery", "ended_at"], name="live_period_by_gallery")]

    def __str__(self):
        return f"{self.camera_id} live {self.began_at}–{self.ended_at}"


class LiveFrame(models.Model):
    """A camera's newest picture for the pages, with boxes and names drawn into it. UNLOGGED."""

    camera = models.OneToOneField(Camera, on_delete=models.CASCADE, primary_key=True, related_name="+")
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    seq = models.PositiveBigIntegerField()
    taken_at = models.DateTimeField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    jpeg = models.BinaryField()

    def __str__(self):
        return f"Picture {self.seq} of {self.camera_id}"


class IncomingFrame(models.Model):
    """The newest picture that a browser posted for a webcam. UNLOGGED."""

    camera = models.OneToOneField(Camera, on_delete=models.CASCADE, primary_key=True, related_name="+")
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    seq = models.PositiveBigIntegerField()
    posted_at = models.DateTimeField()
    jpeg = models.BinaryField()

    def __str__(self):
        return f"Picture {self.seq} posted for {self.camera_id}"


@keeps_history("UnknownPersonHistory", fields=["identity", "merged_into", "ignored"])
class UnknownPerson(models.Model):
    """A stranger seen once or several times: a cluster of sightings that nobody has named yet.

    number: "Unknown 12", counted in the gallery. sightings_count, first_seen, last_seen: of its sightings. identity: whom a
    curator named. merged_into: the unknown person who took its sightings. ignored: nobody is told about it.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="unknown_people")
    number = models.PositiveIntegerField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    sightings_count = models.PositiveIntegerField(default=0)
    ignored = models.BooleanField(default=False)
    merged_into = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    identity = models.ForeignKey(Identity, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = UnknownPersonQuerySet.as_manager()

    class Meta:
        ordering = ["-last_seen", "-id"]
        verbose_name_plural = "unknown people"
        constraints = [models.UniqueConstraint(fields=["gallery", "number"], name="unknown_number_once")]
        indexes = [models.Index(fields=["gallery", "-last_seen", "-id"], name="unknown_by_gallery")]

    def __str__(self):
        return f"Unknown {self.number}"

    @property
    def called(self) -> str:
        """What pages call them, in the reader's language."""
        return _("Unknown %(number)s") % {"number": self.number}

    @property
    def current(self) -> "UnknownPerson":
        """This one, or the one it was merged into. Select `merged_into` to avoid queries."""
        return self.merged_into.current if self.merged_into else self


class UnknownEmbedding(models.Model):
    """An unknown person's centroid: the mean of the means of its n sightings, under one pack."""

    pk = models.CompositePrimaryKey("gallery_id", "pack", "unknown_id")
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    pack = models.CharField(max_length=50)
    unknown = models.ForeignKey(UnknownPerson, on_delete=models.CASCADE, related_name="embeddings")
    vector = HalfVectorField()
    n = models.PositiveIntegerField()

    def __str__(self):
        return f"{self.pack} centroid of {self.unknown_id}"


@keeps_history("SightingHistory", fields=["decision", "identity", "unknown", "named_later_by", "named_at"])
class Sighting(models.Model):
    """Somebody seen by a camera, from the first to the last frame.

    It is written at its decision, again every few seconds while it is open, and at its end. The worker chooses its id, so that
    nothing is written twice. track: its track's id there. identity: who it is; unknown: which unknown person it is, or was
    until it was named. distance: of the mean vector to the nearest person; threshold: in force then; margin: to the runner-up;
    reason: why it is unusable. named_later_by, named_at: who named or corrected it afterwards. follows: the sighting of the
    same track that was closed when the track got another name.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="sightings", db_index=False)
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="sightings", db_index=False)
    track = models.UUIDField()
    decision = models.CharField(max_length=10, choices=Decision.choices)
    identity = models.ForeignKey(
        Identity, null=True, on_delete=models.SET_NULL, related_name="sightings", db_index=False
    )
    unknown = models.ForeignKey(UnknownPerson, null=True, on_delete=models.SET_NULL, related_name="sightings")
    reason = models.CharField(max_length=50, blank=True, default="")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    frames = models.PositiveIntegerField()
    distance = models.FloatField(null=True)
    margin = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    pack = models.CharField(max_length=50)
    named_later_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    named_at = models.DateTimeField(null=True)
    follows = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    closed = models.BooleanField(default=False)

    objects = SightingQuerySet.as_manager()

    class Meta:
        ordering = ["-first_seen", "-id"]
        constraints = [
            models.CheckConstraint(name="sighting_decision_known", condition=Q(decision__in=Decision.values)),
            models.CheckConstraint(name="sighting_forward", condition=Q(last_seen__gte=F("first_seen"))),
            models.CheckConstraint(
                name="sighting_identity_only_if_known", condition=Q(decision="known") | Q(identity__isnull=True)
            ),
        ]
        indexes = [
            models.Index(fields=["gallery", "-first_seen", "-id"], name="sighting_by_gallery"),
            models.Index(fields=["camera", "-first_seen"], name="sighting_by_camera"),
            models.Index(fields=["identity", "-first_seen"], name="sighting_by_person"),
            models.Index(fields=["camera"], name="sighting_open", condition=Q(closed=False)),
        ]

    def __str__(self):
        return f"{self.identity or self.unknown or self.decision.capitalize()}, {self.camera}"


class SightingFace(models.Model):
    """One of a sighting's best faces, three at most; rank 0 is the best.

    Margin crop and landmarks as in FaceCrop, so that another pack can embed it again, and it can be enrolled. vector: under
    `pack`. liveness: how likely it is a person and no picture, 0–1; null if nobody asked.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    sighting = models.ForeignKey(Sighting, on_delete=models.CASCADE, related_name="faces")
    rank = models.PositiveSmallIntegerField()
    taken_at = models.DateTimeField()
    jpeg = models.BinaryField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    landmarks = models.JSONField()
    detection_score = models.FloatField()
    quality_score = models.FloatField()
    reasons = models.JSONField(default=list)
    pack = models.CharField(max_length=50)
    vector = HalfVectorField(null=True)
    liveness = models.FloatField(null=True)

    class Meta:
        ordering = ["rank"]
        constraints = [models.UniqueConstraint(fields=["sighting", "rank"], name="sighting_face_rank_once")]

    def __str__(self):
        return f"Face {self.rank} of {self.sighting_id}"


class SightingEmbedding(models.Model):
    """A sighting's mean vector under one pack."""

    pk = models.CompositePrimaryKey("gallery_id", "pack", "sighting_id")
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    pack = models.CharField(max_length=50)
    sighting = models.ForeignKey(Sighting, on_delete=models.CASCADE, related_name="embeddings")
    vector = HalfVectorField()

    def __str__(self):
        return f"{self.pack} mean of {self.sighting_id}"


class UnknownNot(models.Model):
    """What a curator said an unknown person is not: a sighting, another unknown person, or a person of the gallery."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    unknown = models.ForeignKey(UnknownPerson, on_delete=models.CASCADE, related_name="is_not")
    sighting = models.ForeignKey(Sighting, null=True, on_delete=models.CASCADE, related_name="+")
    other = models.ForeignKey(UnknownPerson, null=True, on_delete=models.CASCADE, related_name="+")
    identity = models.ForeignKey(Identity, null=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="unknown_not_names_one",
                condition=Q(sighting__isnull=False, other__isnull=True, identity__isnull=True)
                | Q(sighting__isnull=True, other__isnull=False, identity__isnull=True)
                | Q(sighting__isnull=True, other__isnull=True, identity__isnull=False),
            )
        ]

    def __str__(self):
        return f"{self.unknown} is not {self.sighting or self.other or self.identity}"
