"""Detect, embed and compare faces without recognising anybody; and search a gallery by vector.

Photos go through the same queue and workers as recognitions. Their rows keep no picture and are deleted after ANSWER_KEPT.
Wait for them with recognition/photos/waiting.py, then read the answer with analysis/representation.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.roles import Role, Scope
from faceplatform.database.batches import delete_in_batches
from faceplatform.database.compiled import insert
from faceplatform.errors import InvalidInput, Unprocessable
from gallery.models import FaceEmbedding, FaceSample, Gallery, Identity
from gallery.search.query import nearest_identities
from recognition.photos import queue
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import PASSING, Purpose, RecognitionRequest
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
LARGEST_NUMBER = 1e3  # in a vector; the numbers of any pack are far smaller


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search by vector found, and the threshold that decided it. identities: of all candidates, by id."""

    verdict: Verdict
    threshold: Threshold
    pack: str
    identities: dict[UUID, Identity]


def detect_faces(
    *,
    actor: Actor,
    gallery: Gallery,
    photo: Photo,
    max_faces: int | None = None,
    min_detection_score: float | None = None,
) -> RecognitionRequest:
    """Queues a photo to find where its faces are and how good each one is.

    Raises NotAllowed, InvalidInput, Unprocessable (reason codes) or Unavailable (no_worker, queue_full).
    """
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
    """Queues a photo to compute the vector of each face, under the gallery's pack. Raises the same as `detect_faces`."""
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

    Returns the requests to wait for; the first one stands for the comparison. threshold: L2 distance, instead of the
    pack's own for 1:1. max_faces: of `photo`; a `reference` photo must have exactly one. Raises the same as `detect_faces`.
    """
    options = recognition_options(1, threshold, max_faces, min_detection_score)
    if isinstance(reference, Photo):
        return _submit(actor, gallery, Purpose.COMPARE, [photo, reference], options)
    if reference.gallery_id != gallery.pk:
        raise InvalidInput("The person or sample to compare with is not in this gallery.")
    kind = "sample" if isinstance(reference, FaceSample) else "identity"
    options["reference"] = {kind: str(reference.pk)}
    return _submit(actor, gallery, Purpose.COMPARE, [photo], options)


def _submit(
    actor: Actor, gallery: Gallery, purpose: Purpose, photos: Sequence[Photo], options: dict[str, Any]
) -> list[RecognitionRequest]:
    actor.require_scope(Scope.RECOGNIZE)
    actor.require_role(gallery, Role.VIEWER)
    types = [inspect_photo(photo).content_type for photo in photos]
    require_worker(gallery)
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
) -> list[SearchResult]:
    """Finds the people nearest to each of these vectors, immediately: no photo is queued, no model runs.

    vectors: up to MAX_VECTORS under the gallery's pack. threshold: L2 distance, instead of the gallery's.
    Raises NotAllowed, InvalidInput or Unavailable (pack_not_installed).
    """
    actor.require_scope(Scope.RECOGNIZE)
    actor.require_role(gallery, Role.VIEWER)
    recognition_options(top_k, threshold)
    probes = _as_probes(vectors, gallery)
    in_force = threshold_of(gallery, threshold)
    found = nearest_identities(gallery_id=gallery.pk, pack=gallery.pack, probes=probes, top_k=max(top_k, 2))
    verdicts = [decide(matches, in_force.distance, top_k) for matches in found]
    identities = Identity.objects.in_bulk({match.identity_id for verdict in verdicts for match in verdict.matches})
    known = [str(verdict.identity_id) for verdict in verdicts if verdict.identity_id]
    details = {"vectors": len(vectors), "identities": known}
    audit.record(actor=actor, action="vector.searched", gallery=gallery, target=gallery, details=details)
    return [SearchResult(verdict, in_force, gallery.pack, identities) for verdict in verdicts]


@audited
def compare_vectors(
    *, actor: Actor, gallery: Gallery, vectors: Sequence[Sequence[float]], reference: Sequence[float] | FaceSample
) -> list[float]:
    """The L2 distance of each of these vectors to `reference`, immediately: no model runs.

    vectors: up to MAX_VECTORS under the gallery's pack; reference: another one, or a sample of the gallery.
    Raises NotAllowed, InvalidInput, Unprocessable (face_not_found) or Unavailable (pack_not_installed).
    """
    actor.require_scope(Scope.RECOGNIZE)
    actor.require_role(gallery, Role.VIEWER)
    probes = _as_probes(vectors, gallery)
    details: dict[str, Any] = {"vectors": len(vectors)}
    vector: Sequence[float] | None
    if isinstance(reference, FaceSample):
        details["sample"] = str(reference.pk)
        rows = FaceEmbedding.objects.filter(gallery=gallery, pack=gallery.pack, sample=reference)
        vector = rows.values_list("vector", flat=True).first()
        if vector is None:
            raise Unprocessable("The sample has no vector under the gallery's pack yet.", code="face_not_found")
    else:
        vector = reference
    [other] = _as_probes([vector], gallery)
    audit.record(actor=actor, action="vector.compared", gallery=gallery, target=gallery, details=details)
    return [float(distance) for distance in np.linalg.norm(probes - other, axis=1)]


def _as_probes(vectors: Sequence[Sequence[float]], gallery: Gallery) -> np.ndarray:
    """float32 (n, dim), of unit length if the pack's vectors are. Raises InvalidInput."""
    manifest = manifest_of(gallery.pack)
    if not 1 <= len(vectors) <= MAX_VECTORS:
        raise InvalidInput(f"Send 1 to {MAX_VECTORS} vectors.")
    if any(len(vector) != manifest.dim for vector in vectors):
        raise InvalidInput(f"A vector under the pack “{manifest.name}” has {manifest.dim} numbers.")
    probes = np.array(vectors, "float64")
    largest = np.abs(probes).max(axis=1)
    if not ((largest > 1e-6) & (largest < LARGEST_NUMBER)).all():
        raise InvalidInput("A vector must hold finite numbers that are not all zero, as POST /embeddings returns them.")
    if manifest.metric == "cosine":
        probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    return probes.astype("float32")


def delete_old_analyses() -> int:
    """Deletes the rows of PASSING purposes that were answered longer than ANSWER_KEPT ago; returns how many."""
    old = RecognitionRequest.objects.filter(purpose__in=PASSING, finished_at__lt=timezone.now() - ANSWER_KEPT)
    return delete_in_batches(old)
