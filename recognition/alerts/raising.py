"""Whether a rule tells about what happened, and what it tells."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from gallery.models import Gallery, Identity
from recognition.alerts.models import Alert, AlertKind, AlertRule
from recognition.alerts.outbox import publish, send
from recognition.cameras.models import Camera, Sighting
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import Decision

KINDS_OF = {Decision.KNOWN: (AlertKind.KNOWN, AlertKind.WATCH_LIST), Decision.UNKNOWN: (AlertKind.UNKNOWN,)}


def raise_for(sighting: Sighting) -> None:
    """Called once in the transaction that decides a sighting. Never for the past (naming, imports). Tells MQTT in any case."""
    kinds = KINDS_OF.get(Decision(sighting.decision), ())
    if not kinds or (sighting.unknown and sighting.unknown.ignored):
        return
    publish(sighting.gallery_id, sighting=sighting)
    now = timezone.now()
    for rule in _rules(sighting.gallery, kinds):
        if (
            _is_about(rule, sighting)
            and is_on(rule, sighting.camera_id, now)
            and not _was_told(
                rule, now, camera=sighting.camera, identity=sighting.identity_id, unknown=sighting.unknown_id
            )
        ):
            tell(
                rule,
                now,
                camera=sighting.camera,
                sighting=sighting,
                identity=sighting.identity,
                unknown=sighting.unknown,
            )


def camera_changed(camera: Camera, *, offline: bool) -> None:
    """Called in the transaction that writes a camera's status, when it goes offline or comes back."""
    if not offline:
        return
    now = timezone.now()
    for rule in _rules(camera.gallery, [AlertKind.CAMERA_OFFLINE]):
        if is_on(rule, camera.pk, now) and not _was_told(rule, now, camera=camera):
            tell(rule, now, camera=camera)


def tell(rule: AlertRule, at: datetime, **about: Any) -> Alert:
    """Raises an alert, and has it sent. about: the alert's camera, sighting, identity, unknown and date."""
    alert = Alert.objects.create(
        gallery=rule.gallery, rule=rule, rule_name=rule.name, kind=rule.kind, raised_at=at, **about
    )
    send(alert)
    return alert


def is_on(rule: AlertRule, camera: UUID | None, at: datetime) -> bool:
    """Whether the rule holds for the camera, on this day of the week and at this hour of the gallery's."""
    cameras = {row.pk for row in rule.cameras.all()}
    if camera is not None and cameras and camera not in cameras:
        return False
    local = at.astimezone(rule.gallery.zone)
    if rule.starts_at is None or rule.ends_at is None:
        return local.weekday() in rule.weekdays
    began = (
        local if local.time() >= rule.starts_at else local - timedelta(days=1)
    )  # hours over midnight: of the day they began on
    over_midnight = rule.starts_at > rule.ends_at
    return (
        _within(local.time(), rule.starts_at, rule.ends_at)
        and (began if over_midnight else local).weekday() in rule.weekdays
    )


def _within(now: time, starts: time, ends: time) -> bool:
    return starts <= now < ends if starts <= ends else now >= starts or now < ends


def _rules(gallery: Gallery, kinds: Iterable[str]) -> Sequence[AlertRule]:
    rows = AlertRule.objects.filter(gallery=gallery, enabled=True, kind__in=list(kinds)).select_related("gallery")
    return list(rows.prefetch_related("cameras", "people", "but_not"))


def _is_about(rule: AlertRule, sighting: Sighting) -> bool:
    if rule.kind == AlertKind.UNKNOWN:
        return True
    people, but_not = ({person.pk for person in chosen.all()} for chosen in (rule.people, rule.but_not))
    if sighting.identity_id in but_not or (people and sighting.identity_id not in people):
        return False
    if rule.kind == AlertKind.WATCH_LIST and not people:
        return False
    return rule.min_score is None or score_of(sighting) >= rule.min_score


def score_of(sighting: Sighting) -> float:
    """0–1, as of a recognition; 0 if nobody was near."""
    if sighting.distance is None or sighting.threshold is None:
        return 0.0
    return manifest_of(sighting.pack).score(sighting.distance, sighting.threshold)


def _was_told(
    rule: AlertRule, now: datetime, *, camera: Camera, identity: UUID | None = None, unknown: UUID | None = None
) -> bool:
    """Whether it told the same within its cooldown. Alerts from before the clock was set back do not count."""
    since = now - timedelta(seconds=rule.cooldown)
    earlier = Alert.objects.filter(rule=rule, raised_at__gt=since, raised_at__lte=now, camera=camera)
    return earlier.filter(identity=identity, unknown=unknown).exists()


def people_expected(rule: AlertRule, everybody: Iterable[Identity]) -> list[Identity]:
    """Whom an absence rule is about."""
    people, but_not = ({person.pk for person in chosen.all()} for chosen in (rule.people, rule.but_not))
    return [person for person in everybody if person.pk not in but_not and (not people or person.pk in people)]
