"""Rules, the alerts that they raised, and the webhooks that tell others.

A delivery is inserted in the transaction of its alert (an outbox), so nothing is told that did not happen, and nothing is lost.
"""

from datetime import timedelta

import uuid6
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from faceplatform.database.names import NameField
from gallery.models import Gallery, Identity
from recognition.alerts.querysets import AlertQuerySet, DeliveryQuerySet, OwnersQuerySet, RuleQuerySet
from recognition.cameras.models import Camera, Sighting, UnknownPerson

COOLDOWN = 300  # seconds


def every_day() -> list[int]:
    return [*range(7)]


class AlertKind(models.TextChoices):
    KNOWN = "known", _("A known person is seen")
    UNKNOWN = "unknown", _("An unknown person is seen")
    WATCH_LIST = "watch_list", _("One of these people is seen")
    ABSENT = "absent", _("Somebody has not come")
    CAMERA_OFFLINE = "camera_offline", _("A camera is lost")


class AlertRule(models.Model):
    """What is to be told. An empty choice of cameras or people means all of them.

    people, but_not: whom it is about, and whom it is not about. weekdays: 0 is Monday. starts_at, ends_at: in the gallery's
    zone, may go over midnight; both empty: all day. min_score: 0–1, of a known person. cooldown: seconds in which the same
    person at the same camera is not told again. absent_after: the time at which somebody who was not seen is absent.
    emails: addresses that are told too, where e-mail is set up.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="alert_rules")
    name = NameField(max_length=100)
    kind = models.CharField(max_length=20, choices=AlertKind.choices)
    enabled = models.BooleanField(default=True)
    cameras = models.ManyToManyField(Camera, blank=True, related_name="+")
    people = models.ManyToManyField(Identity, blank=True, related_name="+")
    but_not = models.ManyToManyField(Identity, blank=True, related_name="+")
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(validators=[MaxValueValidator(6)]), default=every_day, blank=True
    )
    starts_at = models.TimeField(null=True, blank=True)
    ends_at = models.TimeField(null=True, blank=True)
    min_score = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(1)])
    cooldown = models.PositiveIntegerField(default=COOLDOWN, validators=[MaxValueValidator(86_400)])
    absent_after = models.TimeField(null=True, blank=True)
    emails = ArrayField(models.EmailField(), default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RuleQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(name="alert_rule_kind_known", condition=Q(kind__in=AlertKind.values)),
            models.CheckConstraint(name="alert_rule_has_name", condition=~Q(name="")),
            models.CheckConstraint(
                name="alert_rule_hours_are_two",
                condition=Q(starts_at__isnull=True, ends_at__isnull=True)
                | Q(starts_at__isnull=False, ends_at__isnull=False),
                violation_error_message=_("Give both hours, or none."),
            ),
            models.CheckConstraint(
                name="alert_rule_absent_has_time",
                condition=~Q(kind="absent") | Q(absent_after__isnull=False),
                violation_error_message=_("Say from which time on somebody who was not seen is absent."),
            ),
        ]

    def __str__(self):
        return self.name

    def chosen(self, field: str) -> list[Identity]:
        """The people or but_not of a rule read by `with_choices`, after merges and without those deleted."""
        rows = [row.current for row in getattr(self, field).all()]
        return list({row.pk: row for row in rows if row is not None}.values())

    @property
    def names_people(self) -> bool:
        """Whether it is about chosen people, also if none of them is left. Of a rule read by `with_choices`."""
        return bool(self.people.all())

    @property
    def about(self) -> list[Identity]:
        return self.chosen("people")

    @property
    def not_about(self) -> list[Identity]:
        return self.chosen("but_not")


class Alert(models.Model):
    """Something that a rule told. Its picture is the sighting's. date: of an absence, the gallery's day."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="alerts", db_index=False)
    rule = models.ForeignKey(AlertRule, null=True, on_delete=models.SET_NULL, related_name="alerts", db_index=False)
    rule_name = NameField(max_length=100)
    kind = models.CharField(max_length=20, choices=AlertKind.choices)
    camera = models.ForeignKey(Camera, null=True, on_delete=models.SET_NULL, related_name="+")
    sighting = models.ForeignKey(Sighting, null=True, on_delete=models.SET_NULL, related_name="+")
    identity = models.ForeignKey(Identity, null=True, on_delete=models.CASCADE, related_name="+")
    unknown = models.ForeignKey(UnknownPerson, null=True, on_delete=models.CASCADE, related_name="+")
    date = models.DateField(null=True)
    raised_at = models.DateTimeField()
    seen_by = models.ManyToManyField(settings.AUTH_USER_MODEL, through="AlertSeen", related_name="+")

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-raised_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "identity", "date"], name="alert_absence_once"),
        ]
        indexes = [
            models.Index(fields=["gallery", "-raised_at", "-id"], name="alert_by_gallery"),
            models.Index(fields=["rule", "-raised_at"], name="alert_by_rule"),
        ]

    def __str__(self):
        return f"{self.rule_name}: {self.identity or self.unknown or self.camera}"


class AlertSeen(models.Model):
    """Who has looked at an alert."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="seen")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "user"], name="alert_seen_once")]

    def __str__(self):
        return f"{self.user} saw {self.alert_id}"


class WebhookEndpoint(models.Model):
    """An address that is told a gallery's alerts, as https://www.standardwebhooks.com says.

    secret, old_secret: `whsec_…`, sealed; the old one signs too until old_secret_until. off_reason: why it was switched off by
    itself. failing_since: of the first failure after the last success.
    """

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="webhook_endpoints")
    url = models.CharField(max_length=1000)
    secret = models.TextField(editable=False)
    old_secret = models.TextField(blank=True, default="", editable=False)
    old_secret_until = models.DateTimeField(null=True, editable=False)
    kinds = ArrayField(
        models.CharField(max_length=20, choices=AlertKind.choices), default=list, blank=True, help_text="Empty: all."
    )
    enabled = models.BooleanField(default=True)
    off_reason = models.CharField(max_length=200, blank=True, default="", editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = OwnersQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return self.url


class DeliveryStatus(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Given up")


class WebhookDelivery(models.Model):
    """A message to one endpoint. message_id: the header webhook-id, the same at every attempt; body: the signed bytes."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    alert = models.ForeignKey(Alert, null=True, on_delete=models.CASCADE, related_name="deliveries")
    message_id = models.CharField(max_length=64)
    type = models.CharField(max_length=50)
    body = models.BinaryField()
    status = models.CharField(max_length=10, choices=DeliveryStatus.choices, default=DeliveryStatus.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, db_default=Now())
    leased_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.CheckConstraint(
                name="delivery_waits_for_a_time",
                condition=Q(status="waiting", next_at__isnull=False) | ~Q(status="waiting") & Q(next_at__isnull=True),
            )
        ]
        indexes = [models.Index(fields=["next_at"], name="delivery_due", condition=Q(status="waiting"))]

    def __str__(self):
        return f"{self.type} to {self.endpoint}"


class WebhookAttempt(models.Model):
    """One try. status: of HTTP, null if there was no answer; answer: its first characters; milliseconds: until then."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(db_default=Now())
    status = models.PositiveSmallIntegerField(null=True)
    milliseconds = models.PositiveIntegerField()
    error = models.CharField(max_length=200, blank=True, default="")
    answer = models.CharField(max_length=1000, blank=True, default="")

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return f"{self.status or self.error}"


class AlertMail(models.Model):
    """An alert to be sent to one address. Its text is made when it is sent. error: of the last attempt."""

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="mails")
    address = models.EmailField()
    status = models.CharField(max_length=10, choices=DeliveryStatus.choices, default=DeliveryStatus.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, db_default=Now())
    leased_until = models.DateTimeField(null=True, editable=False)
    error = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="mail_waits_for_a_time",
                condition=Q(status="waiting", next_at__isnull=False) | ~Q(status="waiting") & Q(next_at__isnull=True),
            )
        ]
        indexes = [models.Index(fields=["next_at"], name="mail_due", condition=Q(status="waiting"))]

    def __str__(self):
        return f"{self.alert_id} to {self.address}"


class MqttMessage(models.Model):
    """A sighting or an alert that the MQTT broker has not confirmed yet. Its text is made when it is sent.

    Inserted in the transaction of what it tells. So what commits late is not missed, as it would be behind a mark in the order
    of ids or times.
    """

    id = models.BigAutoField(primary_key=True)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="+", db_index=False)
    sighting = models.ForeignKey(Sighting, null=True, on_delete=models.CASCADE, related_name="+")
    alert = models.ForeignKey(Alert, null=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="mqtt_message_tells_one",
                condition=Q(sighting__isnull=False, alert__isnull=True) | Q(sighting__isnull=True, alert__isnull=False),
            )
        ]

    def __str__(self):
        return f"{self.sighting_id or self.alert_id}"


class MqttTopic(models.Model):
    """A topic whose last message the broker keeps, so that it is emptied when its camera or gallery is gone."""

    topic = models.CharField(max_length=500, primary_key=True)

    def __str__(self):
        return self.topic


OLD_SECRET_SIGNS = timedelta(hours=24)
