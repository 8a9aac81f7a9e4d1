"""Unknown people as clusters of sightings: which one a sighting joins, and what is kept about each.

Whoever changes which sightings an unknown person has holds the gallery's lock (`lock_unknowns`), taken before any row is
locked: so two cameras that see the same stranger at once make one unknown person, and nobody waits for each other.

An ignored unknown person still takes in sightings of the same stranger: otherwise everybody ignored would come back as somebody
new a minute later, with an alert. The pages leave such people out, and `raise_for` tells nobody about them.
"""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Count, F, Max, Min
from pgvector import HalfVector
from pgvector.psycopg.halfvec import HalfVectorBinaryDumper

from faceplatform.database.planned import planned_cursor
from gallery.models import Gallery, ThresholdSource
from recognition.cameras.deleting import lock_unknowns as lock_unknowns
from recognition.cameras.models import Sighting, SightingEmbedding, UnknownEmbedding, UnknownPerson
from recognition.photos.installed_packs import manifest_of
from recognition.photos.thresholds import threshold_of
from recognition.tracking.clustering import JOIN, joined
from recognition.tracking.vectors import mean_vector

FEWEST = 40  # unknown people, for the threshold; so many were the measurements made with
MEAN_OF = 200  # of the latest sightings, when a centroid is made anew

NEAREST = """
SELECT person.id, embedding.vector <-> %(probe)b::halfvec AS distance
FROM cameras_unknownembedding embedding
JOIN cameras_unknownperson person ON person.id = embedding.unknown_id
WHERE embedding.gallery_id = %(gallery)s AND embedding.pack = %(pack)s
    AND person.identity_id IS NULL AND person.merged_into_id IS NULL AND person.id <> ALL(%(forbidden)s)
ORDER BY distance, person.id
LIMIT 1
"""


def join(*, sighting: Sighting, vector: np.ndarray, forbidden: Collection[UUID] = ()) -> UnknownPerson:
    """Puts a sighting to the unknown person it is of: the nearest one, or else a new one. Sets `sighting.unknown`.

    Call it in the transaction that writes the sighting and before its row is written or locked; the caller saves the sighting.
    vector: float32 (dim,), the mean of the track, under the sighting's pack. forbidden: unknown people seen beside it in one
    frame. Also left out are those who have a name, and those of whom a curator said that they are not this sighting.
    """
    lock_unknowns(sighting.gallery_id)
    distance = JOIN * threshold_among_unknowns(sighting.gallery, sighting.pack, sighting.threshold)
    said = _said_not_to_be(sighting.pk)
    nearest = nearest_unknown(
        gallery_id=sighting.gallery_id, pack=sighting.pack, vector=vector, forbidden={*forbidden, *said}
    )
    if nearest is not None and nearest[1] <= distance:
        sighting.unknown = _take_in(nearest[0], sighting, vector)
    else:
        sighting.unknown = _create(sighting, vector)
    return sighting.unknown


def threshold_among_unknowns(gallery: Gallery, pack: str, in_force: float | None = None) -> float:
    """The threshold for telling unknown people apart: that of the gallery (in_force: as it was), but if it follows the gallery's
    size, then at most what as many faces need as there are unknown people. An empty gallery's is far too wide.
    """
    distance = in_force or threshold_of(gallery).distance
    if gallery.threshold_source != ThresholdSource.SIZE:
        return distance
    strangers = max(FEWEST, UnknownPerson.objects.filter(gallery=gallery).open().count())
    return min(distance, manifest_of(pack).size_threshold(strangers, gallery.target_fpir).distance)


def nearest_unknown(
    *, gallery_id: UUID, pack: str, vector: np.ndarray, forbidden: Collection[UUID] = ()
) -> tuple[UUID, float] | None:
    """The unknown person without a name who is nearest, and the L2 distance. An exact search."""
    with planned_cursor() as cursor:
        cursor.adapters.register_dumper(HalfVector, HalfVectorBinaryDumper)
        values: dict[str, Any] = {
            "gallery": gallery_id, "pack": pack, "probe": HalfVector(vector), "forbidden": list(forbidden)
        }  # fmt: skip
        cursor.execute(NEAREST, values)
        return cursor.fetchone()


def seen_until(sighting: Sighting) -> None:
    """Moves the unknown person's times on with those of a sighting that goes on."""
    if sighting.unknown_id is not None:
        earlier = UnknownPerson.objects.filter(pk=sighting.unknown_id, last_seen__lt=sighting.last_seen)
        earlier.update(last_seen=sighting.last_seen)


def make_unknown(sighting: Sighting) -> UnknownPerson:
    """A new unknown person with the next number, as first seen in `sighting`. It has no sightings yet."""
    numbers = UnknownPerson.objects.filter(gallery=sighting.gallery_id).aggregate(last=Max("number"))
    return UnknownPerson.objects.create(
        gallery_id=sighting.gallery_id,
        number=(numbers["last"] or 0) + 1,
        first_seen=sighting.first_seen,
        last_seen=sighting.last_seen,
    )


def refresh(unknowns: Iterable[UUID]) -> None:
    """Counts the sightings of these people anew, with first and last, and makes their centroids from them.

    Somebody without sightings loses the centroid, so that none joins them; an undo may give them sightings again.
    """
    for pk in sorted(set(unknowns)):
        theirs = Sighting.objects.filter(unknown=pk).order_by()
        seen = theirs.aggregate(count=Count("pk"), first=Min("first_seen"), last=Max("last_seen"))
        row = UnknownPerson.objects.filter(pk=pk)
        if not seen["count"]:
            row.update(sightings_count=0)
            UnknownEmbedding.objects.filter(unknown=pk).delete()
            continue
        row.update(sightings_count=seen["count"], first_seen=seen["first"], last_seen=seen["last"])
        for pack in SightingEmbedding.objects.filter(sighting__unknown=pk).values_list("pack", flat=True).distinct():
            _make_centroid(pk, pack)


def _make_centroid(unknown: UUID, pack: str) -> None:
    rows = SightingEmbedding.objects.filter(sighting__unknown=unknown, pack=pack)
    latest = list(rows.order_by("-sighting__last_seen")[:MEAN_OF])
    vectors = np.array([row.vector for row in latest], "float32")
    centroid = mean_vector(vectors, np.ones(len(vectors)))
    UnknownEmbedding.objects.update_or_create(
        gallery_id=latest[0].gallery_id, pack=pack, unknown_id=unknown,
        defaults={"vector": centroid.tolist(), "n": rows.count()},
    )  # fmt: skip


def _said_not_to_be(sighting: UUID) -> set[UUID]:
    """Of whom a curator said that they are not this sighting, and into whom those were merged."""
    rows = UnknownPerson.objects.filter(is_not__sighting=sighting).values_list("pk", "merged_into")
    return {pk for row in rows for pk in row if pk is not None}


def _take_in(pk: UUID, sighting: Sighting, vector: np.ndarray) -> UnknownPerson:
    embedding = UnknownEmbedding.objects.get(gallery_id=sighting.gallery_id, pack=sighting.pack, unknown_id=pk)
    centroid = joined(np.array(embedding.vector, "float32"), embedding.n, vector.astype("float32"))
    UnknownEmbedding.objects.filter(pk=embedding.pk).update(vector=centroid.tolist(), n=F("n") + 1)
    unknown = UnknownPerson.objects.get(pk=pk)
    unknown.sightings_count += 1
    unknown.first_seen = min(unknown.first_seen, sighting.first_seen)
    unknown.last_seen = max(unknown.last_seen, sighting.last_seen)
    unknown.save(update_fields=["sightings_count", "first_seen", "last_seen"])
    return unknown


def _create(sighting: Sighting, vector: np.ndarray) -> UnknownPerson:
    unknown = make_unknown(sighting)
    unknown.sightings_count = 1
    unknown.save(update_fields=["sightings_count"])
    UnknownEmbedding.objects.create(
        gallery_id=sighting.gallery_id, pack=sighting.pack, unknown=unknown, vector=vector.tolist(), n=1
    )
    return unknown
