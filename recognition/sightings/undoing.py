"""What an undo has to put right beside the rows of sightings and unknown people; see gallery/curation/history.py."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from faceplatform.errors import Conflict
from gallery.curation.history import PURGED, Further, RowChange
from gallery.models import Gallery, Identity
from recognition.attendance import services as attendance
from recognition.cameras.models import Sighting, UnknownNot, UnknownPerson
from recognition.sightings.unknown_people import lock_unknowns, refresh


def _lock(gallery: Gallery) -> None:
    lock_unknowns(gallery.pk)


def _finish(changes: list[RowChange]) -> None:
    """Counts anew, and remembers what the undo says: two who were merged are not the same, one split off is."""
    people, unknowns = _named(changes, "identity_id"), _named(changes, "unknown_id")
    unknowns |= {change.row.pk for change in changes if isinstance(change.row, UnknownPerson)}
    if Identity.with_deleted.filter(pk__in=people).count() < len(people):
        raise Conflict(str(PURGED), code="purged")
    if UnknownPerson.objects.filter(pk__in=unknowns).count() < len(unknowns):
        raise Conflict(str(PURGED), code="purged")
    for change in changes:
        if isinstance(change.row, Sighting) and "unknown_id" in change.before:
            _undo_split(change)
    for change in changes:  # last: their sightings came back just now
        if isinstance(change.row, UnknownPerson):
            _undo_merge(change, change.row)
    refresh(unknowns)
    attendance.recount(people)


def _undo_merge(change: RowChange, row: UnknownPerson) -> None:
    into, back_into = change.after.get("merged_into_id"), change.before.get("merged_into_id")
    if into is not None and back_into is None:
        UnknownNot.objects.create(gallery_id=row.gallery_id, unknown_id=into, other=row)
    elif back_into is not None and into is None:
        forget_not(row.pk, back_into)


def _undo_split(change: RowChange) -> None:
    left, back = change.after["unknown_id"], change.before["unknown_id"]
    if back is not None:
        UnknownNot.objects.filter(unknown=back, sighting=change.row.pk).delete()
    if left is not None and back is not None:
        forget_not(left, back)


def forget_not(first: UUID, second: UUID) -> None:
    """Forgets that a curator said that these two unknown people are not the same."""
    UnknownNot.objects.filter(Q(unknown=first, other=second) | Q(unknown=second, other=first)).delete()


def _named(changes: Iterable[RowChange], field: str) -> set[UUID]:
    """Who is named by a foreign key that the changes altered, before or after."""
    values = {values.get(field) for change in changes for values in (change.before, change.after)}
    return {value for value in values if value is not None}


SIGHTINGS = Further((UnknownPerson, Sighting), _lock, _finish)
