"""Sightings of a person as a data subject's, and how they and unknown people are deleted, each with its history."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from gallery.models import FaceSample, Gallery, history_of
from recognition.cameras.models import Sighting, SightingEmbedding, SightingFace, UnknownPerson
from recognition.privacy.counting import delete_rows
from recognition.privacy.subject import Subject
from recognition.sightings.enrolling import hashes_of
from recognition.sightings.unknown_people import lock_unknowns, refresh

SIGHTING = (
    "id", "track", "first_seen", "last_seen", "frames", "decision", "distance", "margin", "threshold", "pack", "named_at",
)  # fmt: skip


def sightings_of(subject: Subject) -> QuerySet[Sighting]:
    """Sightings that name the person now, and those of the unknown person that they were once called."""
    return Sighting.objects.filter(Q(identity__in=subject.people) | Q(unknown__in=_unknowns_of(subject)))


def seen_ids(subject: Subject) -> list[UUID]:
    """Of their sightings and of the unknown people that they were."""
    return [*sightings_of(subject).order_by().values_list("pk", flat=True), *_unknowns_of(subject)]


def rejected_as_others(subject: Subject) -> list[UUID]:
    """Rejected samples of other people that were made of these sightings: a camera took the person for somebody else."""
    faces = SightingFace.objects.filter(sighting__in=sightings_of(subject).values("pk").order_by())
    hashes = hashes_of(faces.only("jpeg").iterator(chunk_size=200))
    samples = FaceSample.with_deleted.filter(gallery=subject.gallery, photo_sha256__in=hashes)
    return list(samples.exclude(pk__in=subject.samples).values_list("pk", flat=True))


def erase_sightings(subject: Subject) -> Counter[str]:
    """Deletes them all, and the history of others that named the person before they were corrected."""
    lock_unknowns(subject.gallery.pk)
    sightings = list(sightings_of(subject).order_by().values_list("pk", flat=True))
    people = _unknowns_of(subject)
    counts = delete_sightings(sightings) + delete_unknowns(people)
    for model in (Sighting, UnknownPerson):
        counts += delete_rows(history_of(model).objects.filter(identity__in=subject.people))
    return counts


def delete_sightings(keys: Iterable[UUID]) -> Counter[str]:
    """Deletes sightings with their faces, vectors and history."""
    keys = list(keys)
    counts = delete_rows(Sighting.objects.filter(pk__in=keys).only("pk"))
    return counts + delete_rows(history_of(Sighting).objects.filter(pgh_obj_id__in=keys))


def delete_unknowns(keys: Iterable[UUID]) -> Counter[str]:
    """Deletes unknown people with their centroids and history."""
    keys = list(keys)
    counts = delete_rows(UnknownPerson.objects.filter(pk__in=keys).only("pk"))
    return counts + delete_rows(history_of(UnknownPerson).objects.filter(pgh_obj_id__in=keys))


def delete_old_sightings(rows: QuerySet[Sighting]) -> None:
    """Deletes sightings, and the unknown people who have none left."""
    found = list(rows.values_list("pk", "unknown", "gallery"))
    for gallery in {gallery for _, _, gallery in found}:
        lock_unknowns(gallery)
    delete_sightings(pk for pk, _, _ in found)
    unknowns = {unknown for _, unknown, _ in found if unknown is not None}
    refresh(unknowns)
    gone = UnknownPerson.objects.filter(pk__in=unknowns, sightings_count=0)
    delete_unknowns(_with_merged(gone.values_list("pk", flat=True)))


def purge_unknowns(gallery: Gallery, *, before: datetime) -> int:
    """Deletes unknown people who were left without sightings before that moment, as by a merge. Returns how many."""
    lock_unknowns(gallery.pk)
    changed = history_of(UnknownPerson).objects.filter(pgh_created_at__gte=before)
    empty = UnknownPerson.objects.filter(
        gallery=gallery, sightings_count=0, last_seen__lt=before, created_at__lt=before
    )
    keys = list(empty.exclude(pk__in=changed.values("pgh_obj_id")).values_list("pk", flat=True))
    delete_unknowns(keys)
    return len(keys)


def exported_sightings(subject: Subject) -> Iterator[dict[str, Any]]:
    """Leaves out who corrected what: that is about somebody else."""
    rows = sightings_of(subject).select_related("camera").order_by("first_seen", "id")
    for row in rows.iterator(chunk_size=500):
        yield {"camera": row.camera.name} | {name: getattr(row, name) for name in SIGHTING}


def exported_pictures(subject: Subject) -> Iterator[tuple[str, bytes]]:
    """Name and JPEG of each face."""
    faces = SightingFace.objects.filter(sighting__in=sightings_of(subject).values("pk").order_by())
    for face in faces.only("sighting", "rank", "jpeg").order_by("sighting", "rank").iterator(chunk_size=50):
        yield f"sightings/{face.sighting_id}-{face.rank}.jpg", bytes(face.jpeg)


def exported_vectors(subject: Subject) -> Iterator[dict[str, Any]]:
    """The mean vector of each sighting, under each pack."""
    rows = SightingEmbedding.objects.filter(sighting__in=sightings_of(subject).values("pk").order_by())
    for row in rows.order_by("sighting", "pack").iterator(chunk_size=100):
        vector = [round(float(value), 6) for value in row.vector]
        yield {"sighting_id": row.sighting_id, "pack": row.pack, "dimensions": len(vector), "vector": vector}


def _unknowns_of(subject: Subject) -> list[UUID]:
    """The unknown people that they were, and those merged into these."""
    return _with_merged(UnknownPerson.objects.filter(identity__in=subject.people).values_list("pk", flat=True))


def _with_merged(keys: Iterable[UUID]) -> list[UUID]:
    found, level = list(keys), list(keys)
    while level:
        level = list(UnknownPerson.objects.filter(merged_into__in=level).values_list("pk", flat=True))
        found += level
    return found
