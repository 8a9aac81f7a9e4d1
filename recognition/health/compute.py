"""Computes what looks wrong in a gallery, from its vectors and qualities, and builds the rows of the findings."""

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

REASONS_WITH_OTHER = (Reason.LOOKS_LIKE_OTHER, Reason.SAME_PERSON, Reason.TWO_PEOPLE)


def compute_findings(
    gallery: Gallery, enrolled: EnrolledFaces, threshold: float, progress: Callable[[int], object]
) -> list[Finding]:
    """threshold: the gallery's, an L2 distance. progress: called with the number of faces compared so far."""
    denials = load_denials(gallery, enrolled)
    neighbours = find_neighbours(enrolled.faces, threshold, denials=denials, progress=progress)
    return diagnose(enrolled.faces, neighbours, *load_qualities(gallery, enrolled), threshold)


def load_denials(gallery: Gallery, enrolled: EnrolledFaces) -> dict[int, np.ndarray]:
    """Person (number in enrolled.faces.names) → float32 (k, dim), the vectors of faces marked as not that person."""
    denials: dict[int, list[np.ndarray]] = {}
    for block in enrolled_vectors(gallery_id=gallery.pk, pack=gallery.pack, rejected=True):
        people = np.searchsorted(enrolled.faces.names, sortable(block.identities))
        for person, key, vector in zip(people.tolist(), sortable(block.identities), block.vectors, strict=True):
            if person < len(enrolled.faces.names) and enrolled.faces.names[person] == key:
                denials.setdefault(person, []).append(vector)
    return {person: np.stack(vectors) for person, vectors in denials.items()}


def load_qualities(gallery: Gallery, enrolled: EnrolledFaces) -> tuple[np.ndarray, np.ndarray]:
    """Quality, float64 (n,) of 0–1, and whether a quality limit is missed, bool (n,), in the order of the faces."""
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
    other = finding.other if finding.reason in REASONS_WITH_OTHER else None
    return HealthFinding(
        gallery=gallery,
        kind=finding.kind,
        reason=finding.reason,
        rank=finding.rank,
        identity_id=enrolled.person_id(finding.person),
        sample_id=enrolled.sample_id(finding.face),
        own_sample_id=enrolled.sample_id(finding.own_face),
        own_distance=finding.own_distance,
        other_id=None if other is None else enrolled.person_id(other),
        other_sample_id=None if other is None else enrolled.sample_id(finding.other_face),
        distance=None if other is None else finding.distance,
        found=finding.found,
        total=finding.total,
        samples=[enrolled.sample_id(face) for face in finding.faces],
    )


def people_without_a_face(gallery: Gallery) -> list[HealthFinding]:
    """Findings for the active people whom no search can find, because they have no vector under the gallery's pack."""
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
