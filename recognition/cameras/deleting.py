"""Deletes all sightings of a camera at once: a statement a table, however many there are.

Django would read every sighting, with the pictures of its faces, and delete them row by row.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import CASCADE
from procrastinate.contrib.django import app

from faceplatform.processes.jobs import MAINTENANCE
from gallery.models import history_of
from recognition.cameras.models import Camera, Sighting, UnknownEmbedding, UnknownPerson

REFRESH = "recognition.sightings.tasks.refresh_unknowns"  # a job, by name: its module is further up
AT_ONCE = 500  # unknown people a job
COUNT = """
UPDATE cameras_unknownperson person
SET sightings_count = seen.number, first_seen = coalesce(seen.first, person.first_seen),
    last_seen = coalesce(seen.last, person.last_seen)
FROM (
    SELECT unknown.id, count(sighting.id) AS number, min(sighting.first_seen) AS first, max(sighting.last_seen) AS last
    FROM unnest(%s::uuid[]) AS unknown (id) LEFT JOIN cameras_sighting sighting ON sighting.unknown_id = unknown.id
    GROUP BY unknown.id
) seen WHERE seen.id = person.id
"""


def lock_unknowns(gallery_id: UUID) -> None:
    """Waits for whoever else changes the gallery's unknown people; held until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"unknown people {gallery_id}"])


def delete_sightings_of(camera: Camera) -> None:
    """With their faces, vectors and history. Unknown people who were seen elsewhere too are counted anew; of the others those
    who have no name are deleted. Call it in a transaction, before the camera is locked or deleted."""
    lock_unknowns(camera.gallery_id)
    theirs = Sighting.objects.filter(camera=camera).order_by()
    unknowns = list(theirs.exclude(unknown=None).values_list("unknown", flat=True).distinct())
    keys = list(theirs.values_list("pk", flat=True))
    relation: Any
    for relation in Sighting._meta.get_fields(include_hidden=True):
        if relation.concrete or not relation.field.db_constraint:  # a field of its own, or the history
            continue
        rows = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": theirs.values("pk")})
        if relation.on_delete is CASCADE:
            rows.delete()
        else:
            rows.update(**{relation.field.name: None})
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM cameras_sighting WHERE camera_id = %s", [camera.pk])
        cursor.execute(COUNT, [unknowns])
    history_of(Sighting).objects.filter(pgh_obj_id__in=keys).delete()  # last: the deletion is written down there too
    _forget_who_is_left_without(unknowns)


def _forget_who_is_left_without(unknowns: Sequence[UUID]) -> None:
    gone = UnknownPerson.objects.filter(pk__in=unknowns, sightings_count=0)
    UnknownEmbedding.objects.filter(unknown__in=gone.values("pk").order_by()).delete()
    nameless = set(gone.filter(identity=None).values_list("pk", flat=True))
    UnknownPerson.objects.filter(pk__in=nameless).delete()
    history_of(UnknownPerson).objects.filter(pgh_obj_id__in=nameless).delete()
    left: list[Any] = [str(pk) for pk in unknowns if pk not in nameless]
    for start in range(0, len(left), AT_ONCE):  # their centroids are made without the sightings that are gone
        app.configure_task(REFRESH, queue=MAINTENANCE).defer(unknowns=left[start : start + AT_ONCE])
