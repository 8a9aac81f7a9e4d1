"""Reads a gallery's vectors and qualities, and turns what is found into rows."""

from collections.abc import Callable

import numpy as np
from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q

from faceplatform.database.binary_copy import UUID as UUID_TYPE
from faceplatform.database.binary_copy import read_blocks
from gallery.models import FaceEmbedding, Gallery, Identity
from gallery.search.vectors import enrolled_vectors
from recognition.health.models import HealthFinding
from recognition.lab.evaluation.gallery_health import Finding, Kind, Reason, diagnose
from recognition.lab.evaluation.neighbours import find_neighbours
from recognition.reports.enrolled import EnrolledFaces, sortable

NAMES_ANOTHER = (Reason.LOOKS_LIKE_OTHER, Reason.SAME_PERSON, Reason.TWO_PEOPLE)


def find_what_is_wrong(
    gallery: Gallery, enrolled: EnrolledFaces, limit: float, progress: Callable[[int], object]
) -> list[Finding]:
    denials = load_denials(gallery, enrolled)
    near = find_neighbours(enrolled.faces, limit, denials=denials, progress=progress)
    return diagnose(enrolled.faces, near, *load_qualities(gallery, enrolled), limit)


def load_denials(gallery: Gallery, enrolled: EnrolledFaces) -> dict[int, np.ndarray]:
    """Person → the vectors of faces that were said not to be that person."""
    found: dict[int, list[np.ndarray]] = {}
    for block in enrolled_vectors(gallery_id=gallery.pk, pack=gallery.pack, rejected=True):
        places = np.searchsorted(enrolled.faces.names, sortable(block.identities))
        for place, key, vector in zip(places.tolist(), sortable(block.identities), block.vectors, strict=True):
            if place < len(enrolled.faces.names) and enrolled.faces.names[place] == key:
                found.setdefault(place, []).append(vector)
    return {person: np.stack(vectors) for person, vectors in found.items()}


def load_qualities(gallery: Gallery, enrolled: EnrolledFaces) -> tuple[np.ndarray, np.ndarray]:
    """Quality 0–1 and whether a bar is missed, in the order of the faces."""
    quality, poor = np.ones(len(enrolled.samples)), np.zeros(len(enrolled.samples), bool)
    order = np.argsort(enrolled.samples)
    ordered = enrolled.samples[order]
    columns = {"sample": UUID_TYPE, "quality": np.dtype(">f8"), "poor": np.dtype("?")}
    with connection.cursor() as cursor:
        query = cursor.mogrify(QUALITIES, [gallery.pk])
        for rows in read_blocks(cursor, query, columns, block=20_000):
            keys = sortable(rows["sample"])
            places = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
            known = ordered[places] == keys
            quality[order[places[known]]], poor[order[places[known]]] = rows["quality"][known], rows["poor"][known]
    return quality, poor


QUALITIES = """
    SELECT id, quality_score, coalesce(quality->'reasons', '[]'::jsonb) <> '[]'::jsonb FROM gallery_facesample
    WHERE gallery_id = %s AND deleted_at IS NULL AND NOT rejected
"""


def as_row(gallery: Gallery, enrolled: EnrolledFaces, finding: Finding) -> HealthFinding:
    names_another = finding.reason in NAMES_ANOTHER
    return HealthFinding(
        gallery=gallery,
        kind=finding.kind,
        reason=finding.reason,
        rank=finding.rank,
        identity_id=enrolled.person(finding.person),
        sample_id=enrolled.sample(finding.face),
        own_sample_id=enrolled.sample(finding.own_face),
        own_distance=finding.own_distance,
        other_id=enrolled.person(finding.other) if names_another else None,
        other_sample_id=enrolled.sample(finding.other_face) if names_another else None,
        distance=finding.distance if names_another else None,
        found=finding.found,
        total=finding.total,
        samples=[enrolled.sample(face) for face in finding.faces],
    )


def people_without_a_face(gallery: Gallery) -> list[HealthFinding]:
    """Active people whom no search can find: without a vector under the pack in force."""
    vectors = FaceEmbedding.objects.filter(
        gallery=gallery, pack=gallery.pack, sample__identity=OuterRef("pk"), sample__rejected=False,
        sample__deleted_at=None,
    )  # fmt: skip
    enrolled = Count("samples", filter=Q(samples__rejected=False, samples__deleted_at=None))
    people = Identity.objects.filter(gallery=gallery, active=True).annotate(faces=enrolled)
    return [
        HealthFinding(
            gallery=gallery,
            kind=Kind.WEAK,
            reason=Reason.NO_FACE,
            rank=0.5,
            identity=person,
            found=0,
            total=person.faces,
        )
        for person in people.filter(~Exists(vectors)).order_by("name", "id")
    ]
