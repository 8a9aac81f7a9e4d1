"""Writes attendance: from sightings, and by hand."""

from collections.abc import Iterable
from datetime import date, datetime, time
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Min
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput
from faceplatform.text import clean_name
from gallery.models import Gallery, Identity
from recognition.attendance.days import bounds_of, day_of, days_of, time_on
from recognition.attendance.models import AttendanceCorrection, AttendanceDay
from recognition.cameras.models import Sighting

# A person's sightings by a camera on a day, made one row; sightings that go across the day's start are cut there.
COUNT = """
INSERT INTO attendance_attendanceday (id, gallery_id, identity_id, date, camera_id, first_seen, last_seen, sightings)
SELECT gen_random_uuid(), %(gallery)s, %(identity)s, %(day)s, camera_id,
    greatest(min(first_seen), %(start)s), least(max(last_seen), %(end)s), count(*)
FROM cameras_sighting
WHERE identity_id = %(identity)s AND decision = 'known' AND first_seen < %(end)s AND last_seen >= %(start)s
    AND (%(camera)s::uuid IS NULL OR camera_id = %(camera)s)
GROUP BY camera_id
ON CONFLICT (identity_id, date, camera_id) DO UPDATE SET
    first_seen = excluded.first_seen, last_seen = excluded.last_seen, sightings = excluded.sightings
"""


def count_sighting(sighting: Sighting) -> None:
    """Called in the transaction that writes a sighting with a name, each time its last_seen moves."""
    if sighting.identity_id is None:
        return
    gallery = sighting.gallery
    for day in days_of(gallery, sighting.first_seen, sighting.last_seen):
        _count(gallery, sighting.identity_id, day, sighting.camera_id)


def recount(identities: Iterable[UUID]) -> None:
    """Makes the days of these people anew from their sightings, as after naming, corrections, merges and undo.

    Days from before a camera's oldest sighting stay as they are: their sightings are past their retention.
    """
    for identity in Identity.with_deleted.filter(pk__in=set(identities)).select_related("gallery").order_by("pk"):
        _forget_days(identity)
        for day in sorted(_days_seen(identity)):
            _count(identity.gallery, identity.pk, day)


def _forget_days(identity: Identity) -> None:
    """Those that still have their sightings, and may have lost them to somebody else."""
    rows = AttendanceDay.objects.filter(identity=identity)
    cameras = {*rows.exclude(camera=None).values_list("camera", flat=True)}
    oldest = Sighting.objects.filter(camera__in=cameras).order_by().values_list("camera").annotate(Min("first_seen"))
    for camera, first in oldest:
        rows.filter(camera=camera, date__gte=day_of(identity.gallery, first)).delete()


def _days_seen(identity: Identity) -> set[date]:
    spans = Sighting.objects.filter(identity=identity, decision="known").values_list("first_seen", "last_seen")
    return {day for first, last in spans for day in days_of(identity.gallery, first, last)}


def _count(gallery: Gallery, identity: UUID, day: date, camera: UUID | None = None) -> None:
    start, end = bounds_of(gallery, day)
    values: dict[str, UUID | date | datetime | None] = {
        "gallery": gallery.pk, "identity": identity, "day": day, "camera": camera, "start": start, "end": end,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(COUNT, values)


# --- By hand ----------------------------------------------------------------------------------------------------------
@audited
def correct(
    *,
    actor: Actor,
    identity: Identity,
    day: date,
    presence: str,
    reason: str,
    came: time | None = None,
    left: time | None = None,
) -> AttendanceCorrection:
    """Writes down what a person's day was. It replaces an earlier correction of that day.

    Raises NotAllowed below curators, and InvalidInput: no reason, a day to come, times of somebody absent, or in the wrong
    order.
    """
    actor.require_scope(Scope.ENROL)
    actor.require_role(identity.gallery, Role.CURATOR)
    if not clean_name(reason):
        raise InvalidInput(
            _("Give a reason, such as “forgot to look into the camera”. It is kept with the correction.")
        )
    if day > day_of(identity.gallery, timezone.now()):
        raise InvalidInput(_("This day is still to come."))
    row = AttendanceCorrection(
        gallery=identity.gallery, identity=identity, date=day, presence=presence, came=came, left=left,
        reason=clean_name(reason), made_by=actor.user,
    )  # fmt: skip
    _check(row)
    Identity.objects.select_for_update(no_key=True).get(pk=identity.pk)
    replaced = AttendanceCorrection.objects.in_force().filter(identity=identity, date=day)
    replaced.update(withdrawn_at=timezone.now())
    row.save(force_insert=True)
    audit.record(
        actor=actor, action="attendance.corrected", gallery=identity.gallery, target=identity, details=_told(row)
    )
    return row


@audited
def withdraw(*, actor: Actor, correction: AttendanceCorrection) -> None:
    """Takes a correction back: the day is again what the cameras saw. Raises Conflict if that was done already."""
    actor.require_scope(Scope.ENROL)
    actor.require_role(correction.gallery, Role.CURATOR)
    rows = AttendanceCorrection.objects.in_force().filter(pk=correction.pk)
    if not rows.update(withdrawn_at=timezone.now()):
        raise Conflict(_("This correction has already been taken back, or replaced."))
    audit.record(
        actor=actor, action="attendance.correction_withdrawn", gallery=correction.gallery, target=correction.identity,
        details=_told(correction),
    )  # fmt: skip


def _check(row: AttendanceCorrection) -> None:
    try:
        row.full_clean(exclude=["gallery", "identity", "made_by"], validate_unique=False)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages)) from error
    if row.came and row.left and time_on(row.gallery, row.date, row.came) > time_on(row.gallery, row.date, row.left):
        raise InvalidInput(_("Somebody cannot leave before they come. Check the two times."))


def _told(row: AttendanceCorrection) -> dict[str, str]:
    times = {"came": str(row.came or ""), "left": str(row.left or "")}
    return {"date": row.date.isoformat(), "presence": row.presence, "reason": row.reason, **times}
