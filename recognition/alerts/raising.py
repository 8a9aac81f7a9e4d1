"""Whether a rule tells about what happened, and what it tells."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
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
            tell(rule, camera=camera)


def tell(rule: AlertRule, **about: Any) -> Alert:
    """Raises an alert, and has it sent. about: the alert's camera, sighting, identity, unknown and date."""
    alert = Alert.objects.create(
        gallery=rule.gallery,
        rule=rule,
        rule_name=rule.name,
        kind=rule.kind,
        raised_at=_in_turn(rule.gallery_id),
        **about,
    )
    send(alert)
    return alert


def _in_turn(gallery_id: UUID) -> datetime:
    """The time, once all earlier alerts of the gallery are committed, and none gets another before this one is.

    So a page that asks for what was raised after the newest one it has misses none.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"alerts {gallery_id}"])
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


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
    return list(AlertRule.objects.filter(gallery=gallery, enabled=True, kind__in=list(kinds)).with_choices())


def _is_about(rule: AlertRule, sighting: Sighting) -> bool:
    if rule.kind == AlertKind.UNKNOWN:
        return True
    people, but_not = ({person.pk for person in chosen} for chosen in (rule.about, rule.not_about))
    who = sighting.identity.current if sighting.identity else None
    is_chosen = who is not None and who.pk in people if rule.names_people else rule.kind != AlertKind.WATCH_LIST
    if not is_chosen or (who is not None and who.pk in but_not):
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
    """Whom an absence rule, read by `with_choices`, is about."""
    people, but_not = ({person.pk for person in chosen} for chosen in (rule.about, rule.not_about))
    everybody = [person for person in everybody if person.pk not in but_not]
    return [person for person in everybody if person.pk in people] if rule.names_people else everybody
