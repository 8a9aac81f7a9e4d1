"""Sightings, alerts and rules follow people who were merged."""

from datetime import datetime

from django.db import connection, transaction

from gallery.models import Gallery
from recognition.attendance import services as attendance

FOLLOW = """
UPDATE {table} seen SET identity_id = merged.merged_into_id
FROM gallery_identity merged WHERE merged.id = seen.identity_id AND merged.merged_into_id IS NOT NULL
AND merged.gallery_id = %s AND merged.deleted_at < %s
{but_not}
RETURNING seen.identity_id
"""
# Where the other one, or another who was merged into the same one, has such a row already, this one goes with the purge.
ONCE = """
AND NOT EXISTS (
    SELECT FROM {table} twin JOIN gallery_identity person ON person.id = twin.identity_id
    WHERE ({same}) AND (person.id = merged.merged_into_id OR person.merged_into_id = merged.merged_into_id AND twin.id < seen.id)
)
"""
SEEN = ("cameras_sighting", "cameras_unknownperson")
TOLD = {
    "alerts_alert": "twin.rule_id = seen.rule_id AND twin.date = seen.date",
    "alerts_alertrule_people": "twin.alertrule_id = seen.alertrule_id",
    "alerts_alertrule_but_not": "twin.alertrule_id = seen.alertrule_id",
}
FOLLOW_UNKNOWN = """
UPDATE alerts_alert alert SET unknown_id = merged.merged_into_id
FROM cameras_unknownperson merged WHERE merged.id = alert.unknown_id AND merged.merged_into_id IS NOT NULL
AND merged.gallery_id = %s AND merged.last_seen < %s
"""


@transaction.atomic
def follow_merges(gallery: Gallery, *, before: datetime) -> None:
    """Points what is about people merged before that moment to those they were merged into.

    Until then they are read as if it were done, so that a merge can still be undone.
    """
    people = set()
    with connection.cursor() as cursor:
        for table in SEEN:
            cursor.execute(FOLLOW.format(table=table, but_not=""), [gallery.pk, before])
            people |= {identity for (identity,) in cursor.fetchall()}
        for table, same in TOLD.items():
            once = ONCE.format(table=table, same=same)
            cursor.execute(FOLLOW.format(table=table, but_not=once), [gallery.pk, before])
        cursor.execute(FOLLOW_UNKNOWN, [gallery.pk, before])
    if people:
        attendance.recount(people)
