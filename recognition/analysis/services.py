"""Looking at faces without a gallery's people: detect, embed, compare two photos; and a search by vector.

The worker looks at the photos, over the same queue. Its rows keep no picture, and are deleted after ANSWER_KEPT: wait for
them with recognition/photos/waiting.py, then read the answer with analysis/answers.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.roles import Role, Scope
from faceplatform.database.compiled import insert
from faceplatform.errors import InvalidInput, Unprocessable
from gallery.models import FaceEmbedding, FaceSample, Gallery, Identity
from gallery.search.query import nearest_identities
from recognition.photos import queue
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import ANALYSES, Purpose, RecognitionRequest
from recognition.photos.results.decisions import Verdict, decide
from recognition.photos.services import (
    DEFAULT_TOP_K,
    Photo,
    inspect_photo,
    new_request,
    recognition_options,
    require_worker,
)
from recognition.photos.thresholds import Threshold, threshold_of

ANSWER_KEPT = timedelta(hours=1)
MAX_VECTORS = 100
LARGEST_NUMBER = 1e3  # in a vector; any pack's are far smaller


@dataclass(frozen=True, slots=True)
class Found:
    """What a search by vector found, and by which threshold it was decided."""

    verdict: Verdict
    threshold: Threshold
    pack: str
    identities: dict


def detect_faces(
    *,
    actor: Actor,
    gallery: Gallery,
    photo: Photo,
    max_faces: int | None = None,
    min_detection_score: float | None = None,
) -> RecognitionRequest:
    """Queues a photo: where are faces, and how good are they?"""
    options = recognition_options(1, None, max_faces, min_detection_score)
    [row] = _submit(actor, gallery, Purpose.DETECT, [photo], options)
    return row


def embed_faces(
    *,
    actor: Actor,
    gallery: Gallery,
    photo: Photo,
    max_faces: int | None = None,
    min_detection_score: float | None = None,
) -> RecognitionRequest:
    """Queues a photo: the vector of each face, under the gallery's pack."""
    options = recognition_options(1, None, max_faces, min_detection_score)
    [row] = _submit(actor, gallery, Purpose.EMBED, [photo], options)
    return row


def compare_faces(
    *,
    actor: Actor,
    gallery: Gallery,
    photo: Photo,
    reference: Photo | FaceSample | Identity,
    threshold: float | None = None,
    max_faces: int | None = None,
    min_detection_score: float | None = None,
) -> list[RecognitionRequest]:
    """Queues a comparison of every face of `photo` with the one face of `reference`, or with enrolled faces.

    Returns the rows to wait for; the first one stands for the comparison. threshold: instead of the pack's own for 1:1.
    max_faces: of `photo`; `reference` has to have one.
    """
    options = recognition_options(1, threshold, max_faces, min_detection_score)
    if isinstance(reference, Photo):
        return _submit(actor, gallery, Purpose.COMPARE, [photo, reference], options)
    if reference.gallery_id != gallery.pk:
        raise InvalidInput("The person or sample to compare with is not in this gallery.")
    options["reference"] = {reference._meta.model_name.removeprefix("face"): str(reference.pk)}
    return _submit(actor, gallery, Purpose.COMPARE, [photo], options)


def _submit(
    actor: Actor, gallery: Gallery, purpose: Purpose, photos: Sequence[Photo], options: dict
) -> list[RecognitionRequest]:
    actor.require_scope(Scope.RECOGNIZE)
    actor.require_role(gallery, Role.VIEWER)
    types = [inspect_photo(photo).content_type for photo in photos]
    require_worker()
    rows = [
        new_request(actor=actor, gallery=gallery, photo=photo, photo_type=photo_type, purpose=purpose, options=options)
        for photo, photo_type in zip(photos, types, strict=True)
    ]
    first, *others = rows
    for other in others:
        first.options = options | {"reference": {"photo": str(other.pk)}}
        other.options = options | {"max_faces": None}
    with transaction.atomic():
        insert(rows)
        details = {"sha256": [row.photo_sha256 for row in rows], **first.options.get("reference", {})}
        action = f"{purpose}.requested"
        audit.record(actor=actor, action=action, gallery=gallery, target=first, details=details)
        queue.notify(queue.QUEUED)
    return rows


@audited
def search_vectors(
    *,
    actor: Actor,
    gallery: Gallery,
    vectors: Sequence[Sequence[float]],
    top_k: int = DEFAULT_TOP_K,
    threshold: float | None = None,
) -> list[Found]:
    """Who are the people nearest to each of these vectors of the gallery's pack? At once: no model runs."""
    actor.require_scope(Scope.RECOGNIZE)
    actor.require_role(gallery, Role.VIEWER)
    recognition_options(top_k, threshold)
    probes = _as_probes(vectors, gallery)
    bound = threshold_of(gallery, threshold)
    matches = nearest_identities(gallery_id=gallery.pk, pack=gallery.pack, probes=probes, top_k=max(top_k, 2))
    verdicts = [decide(found, bound.distance, top_k) for found in matches]
    identities = Identity.objects.in_bulk({match.identity_id for verdict in verdicts for match in verdict.matches})
    known = [str(verdict.identity_id) for verdict in verdicts if verdict.identity_id]
    details = {"vectors": len(vectors), "identities": known}
    audit.record(actor=actor, action="vector.searched", gallery=gallery, target=gallery, details=details)
    return [Found(verdict, bound, gallery.pack, identities) for verdict in verdicts]


@audited
def compare_vectors(
    *, actor: Actor, gallery: Gallery, vectors: Sequence[Sequence[float]], reference: Sequence[float] | FaceSample
) -> list[float]:
    """How far each of these vectors of the gallery's pack is from the one of `reference`. At once: no model runs."""
    actor.require_scope(Scope.RECOGNIZE)
    actor.require_role(gallery, Role.VIEWER)
    probes = _as_probes(vectors, gallery)
    details = {"vectors": len(vectors)}
    if isinstance(reference, FaceSample):
        details["sample"] = str(reference.pk)
        rows = FaceEmbedding.objects.filter(gallery=gallery, pack=gallery.pack, sample=reference)
        reference = rows.values_list("vector", flat=True).first()
        if reference is None:
            raise Unprocessable("The sample has no vector of the gallery's pack yet.", code="face_not_found")
    [other] = _as_probes([reference], gallery)
    audit.record(actor=actor, action="vector.compared", gallery=gallery, target=gallery, details=details)
    return [float(distance) for distance in np.linalg.norm(probes - other, axis=1)]


def _as_probes(vectors: Sequence[Sequence[float]], gallery: Gallery) -> np.ndarray:
    """float32 (n, dim), of unit length where the pack's are."""
    manifest = manifest_of(gallery.pack)
    if not 1 <= len(vectors) <= MAX_VECTORS:
        raise InvalidInput(f"Send 1 to {MAX_VECTORS} vectors.")
    if any(len(vector) != manifest.dim for vector in vectors):
        raise InvalidInput(f"A vector of the pack “{manifest.name}” has {manifest.dim} numbers.")
    probes = np.array(vectors, "float64")
    largest = np.abs(probes).max(axis=1)
    if not ((largest > 1e-6) & (largest < LARGEST_NUMBER)).all():
        raise InvalidInput("A vector must hold finite numbers, as POST /embeddings gives them; not only zeros.")
    if manifest.metric == "cosine":
        probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    return probes.astype("float32")


def delete_old_analyses() -> int:
    """Deletes detections, embeddings and comparisons some time after their answer; returns how many."""
    old = RecognitionRequest.objects.filter(purpose__in=ANALYSES, finished_at__lt=timezone.now() - ANSWER_KEPT)
    _, rows = old.delete()
    return rows.get("recognition.RecognitionRequest", 0)
