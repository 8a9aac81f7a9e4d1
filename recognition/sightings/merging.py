"""Looks at all unknown people of a gallery together: merges those who are clearly the same, and suggests who somebody may be.

The arithmetic, and how much of the threshold counts as what, is in recognition/tracking/clustering.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection, transaction

from accounts.actor import Actor
from faceplatform.errors import Conflict
from gallery.models import Gallery
from gallery.search.query import nearest_identities
from recognition.cameras.models import UnknownEmbedding, UnknownNot, UnknownPerson
from recognition.photos.thresholds import threshold_of
from recognition.sightings.models import Suggestion
from recognition.sightings.services import merge_unknowns
from recognition.sightings.unknown_people import lock_unknowns, threshold_among_unknowns
from recognition.tracking.clustering import Merge, find_merges

MOST_PEOPLE = 3_000  # the latest; what is compared grows with the square
MOST_OF_EACH = 10  # sightings, the latest
MAY_BE = 1.1  # of the threshold: so near, a person of the gallery is suggested
MOST_SUGGESTED = 200  # pairs of unknown people

LATEST_VECTORS = """
SELECT unknown_id, vector::real[] FROM (
    SELECT sighting.unknown_id, embedding.vector,
        row_number() OVER (PARTITION BY sighting.unknown_id ORDER BY sighting.last_seen DESC, sighting.id) AS place
    FROM cameras_sighting sighting
    JOIN cameras_sightingembedding embedding ON embedding.sighting_id = sighting.id
        AND embedding.gallery_id = %(gallery)s AND embedding.pack = %(pack)s
    WHERE sighting.gallery_id = %(gallery)s AND sighting.unknown_id = ANY(%(people)s)
) latest WHERE place <= %(most)s
"""
# Two tracks of one camera at the same time are two people. No sighting lasts longer than a day.
BESIDE = """
SELECT DISTINCT one.unknown_id, other.unknown_id
FROM cameras_sighting one
JOIN cameras_sighting other ON other.camera_id = one.camera_id AND other.track <> one.track
    AND other.unknown_id <> one.unknown_id
    AND other.first_seen BETWEEN one.first_seen - interval '1 day' AND one.last_seen
    AND other.first_seen < one.last_seen AND other.last_seen > one.first_seen
WHERE one.gallery_id = %(gallery)s AND one.unknown_id = ANY(%(people)s) AND other.unknown_id = ANY(%(people)s)
"""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a gallery's unknown people did: merges made, pairs suggested, people of the gallery suggested."""

    merged: int
    pairs: int
    names: int


def look_at_unknowns(*, actor: Actor, gallery: Gallery) -> Looked:
    """Merges the unknown people who are clearly the same, and makes the suggestions anew. Each merge can be undone."""
    threshold = threshold_among_unknowns(gallery, gallery.pack)
    people, merges, alike = _find_merges(gallery, threshold)
    merged = sum(_merge(actor, people[merge.kept], people[merge.merged]) for merge in merges)
    pairs = [
        Suggestion(gallery=gallery, unknown=people[pair.kept], other=people[pair.merged], distance=pair.distance)
        for pair in alike[:MOST_SUGGESTED]
    ]
    _replace(gallery, pairs, of_people=False)
    return Looked(merged, len(pairs), suggest_names(gallery=gallery))


def suggest_names(*, gallery: Gallery) -> int:
    """Makes the suggestions which unknown person may be whom in the gallery anew; returns how many there are."""
    threshold = MAY_BE * threshold_of(gallery).distance
    denied = set(UnknownNot.objects.filter(gallery=gallery, identity__isnull=False).values_list("unknown", "identity"))
    found = [
        Suggestion(gallery=gallery, unknown_id=unknown, identity_id=identity, distance=distance)
        for unknown, identity, distance in _nearest_people(gallery)
        if distance <= threshold and (unknown, identity) not in denied
    ]
    _replace(gallery, found, of_people=True)
    return len(found)


def _nearest_people(gallery: Gallery) -> Iterator[tuple[UUID, UUID, float]]:
    """For each unknown person who is shown, the nearest person of the gallery and the distance."""
    shown = UnknownPerson.objects.filter(gallery=gallery).open()
    rows = UnknownEmbedding.objects.filter(gallery=gallery, pack=gallery.pack, unknown__in=shown)
    for row in rows.iterator(chunk_size=500):
        probes = np.array([row.vector], "float32")
        [matches] = nearest_identities(gallery_id=gallery.pk, pack=gallery.pack, probes=probes, top_k=1)
        if matches:
            yield row.unknown_id, matches[0].identity_id, matches[0].distance


def _find_merges(gallery: Gallery, threshold: float) -> tuple[list[UnknownPerson], list[Merge], list[Merge]]:
    """The people, the oldest first, and by their places the merges to be made and to be suggested."""
    shown = UnknownPerson.objects.filter(gallery=gallery, sightings_count__gt=0).open().select_related("gallery")
    latest = {person.pk: person for person in shown.order_by("-last_seen", "-pk")[:MOST_PEOPLE]}
    values: dict[str, Any] = {"gallery": gallery.pk, "pack": gallery.pack, "people": list(latest), "most": MOST_OF_EACH}
    with connection.cursor() as cursor:
        cursor.execute(LATEST_VECTORS, values)
        vectors = [(unknown, np.array(vector, "float32")) for unknown, vector in cursor.fetchall()]
        cursor.execute(BESIDE, values)
        apart = cursor.fetchall()
    with_vectors = {unknown for unknown, _ in vectors}
    people = sorted((row for row in latest.values() if row.pk in with_vectors), key=lambda row: row.number)
    if not people:
        return [], [], []
    place = {person.pk: number for number, person in enumerate(people)}
    said = UnknownNot.objects.filter(gallery=gallery, other__isnull=False).values_list("unknown", "other")
    forbidden = [(place[one], place[other]) for one, other in {*apart, *said} if one in place and other in place]
    found = find_merges(
        np.stack([vector for _, vector in vectors]), np.array([place[unknown] for unknown, _ in vectors]), threshold,
        forbidden=forbidden,
    )  # fmt: skip
    return people, *found


def _merge(actor: Actor, into: UnknownPerson, other: UnknownPerson) -> int:
    """1 if they were merged, 0 if one of them has been named or merged since."""
    try:
        merge_unknowns(actor=actor, into=into, others=[other])
    except Conflict:
        return 0
    return 1


@transaction.atomic
def _replace(gallery: Gallery, suggestions: list[Suggestion], *, of_people: bool) -> None:
    """Leaves out those about unknown people who have been named, merged or ignored since."""
    lock_unknowns(gallery.pk)
    Suggestion.objects.filter(gallery=gallery, identity__isnull=not of_people).delete()
    open_ones = set(UnknownPerson.objects.filter(gallery=gallery).open().values_list("pk", flat=True))
    current = [row for row in suggestions if {row.unknown_id, row.other_id} - {None} <= open_ones]
    Suggestion.objects.bulk_create(current, batch_size=500)
