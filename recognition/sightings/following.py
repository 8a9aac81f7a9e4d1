"""Sightings follow people who were merged."""

from datetime import datetime

from django.db import connection, transaction

from gallery.models import Gallery
from recognition.attendance import services as attendance

FOLLOW = """
UPDATE {table} seen SET identity_id = merged.merged_into_id
FROM gallery_identity merged WHERE merged.id = seen.identity_id AND merged.merged_into_id IS NOT NULL
AND merged.gallery_id = %s AND merged.deleted_at < %s
RETURNING seen.identity_id
"""


@transaction.atomic
def follow_merges(gallery: Gallery, *, before: datetime) -> None:
    """Points sightings and unknown people from people merged before that moment to those they were merged into.

    Until then they are read as if it were done, so that a merge can still be undone.
    """
    people = set()
    with connection.cursor() as cursor:
        for table in ("cameras_sighting", "cameras_unknownperson"):
            cursor.execute(FOLLOW.format(table=table), [gallery.pk, before])
            people |= {identity for (identity,) in cursor.fetchall()}
    if people:
        attendance.recount(people)
