"""What a new pack would change: past decisions made again, and how well the gallery's own samples find their people.

Both packs decide today, on the gallery as it is now, so that changes caused by later enrolments are not attributed to the
new pack. The summary is stored in ReEmbedding.preview:
{"at", "thresholds": {"before": {"distance", "source"}, "after": …}, "rank1": {"samples", "before", "after"}}
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import CharField, Count, Q
from django.db.models.functions import MD5, Cast
from django.utils import timezone

from gallery.models import FaceEmbedding, FaceSample, Gallery
from gallery.search.query import nearest_identities
from gallery.search.vectors import enrolled_vectors
from recognition.photos.models import Decision
from recognition.photos.results.decisions import Verdict, decide
from recognition.photos.thresholds import Threshold, size_threshold, threshold_of
from recognition.reembedding.models import PreviewedFace, ReEmbedding

MIN_PROBES, MAX_PROBES = 100, 1_000  # samples of the leave-one-out test; the larger the gallery, the fewer
MAX_DISTANCES = 100_000_000  # distances computed in that test, unless MIN_PROBES needs more
BLOCK = 5_000  # vectors compared at a time: 20 MB of distances

Change = PreviewedFace.Change


def decide_again(job: ReEmbedding, faces: Sequence[PreviewedFace], vectors: np.ndarray) -> None:
    """Fills in what both packs decide on `faces`; saves nothing. vectors: under the new pack, float32 (n, dim).

    A face without a vector of the pack in force keeps its past decision as the one before.
    """
    after = _verdicts(job.gallery, job.pack, vectors, size_threshold(job.gallery, job.pack))
    for face, verdict in zip(faces, after, strict=True):
        face.after, face.after_identity_id, face.after_distance = _outcome_of(verdict)
    kept = [face for face in faces if face.face.vector is not None and face.face.request.pack == job.old_pack]
    probes = np.array([face.face.vector for face in kept], "float32")
    before = _verdicts(job.gallery, job.old_pack, probes, threshold_of(job.gallery))
    for face, verdict in zip(kept, before, strict=True):
        face.before, face.before_identity_id, face.before_distance = _outcome_of(verdict)
    for face in faces:
        if not face.before:
            face.before = face.face.decision or ""  # the preview only chooses faces with a decision
            face.before_identity_id = face.face.identity_id
        face.change = _change(face)


def summary_of(job: ReEmbedding) -> dict[str, Any]:
    """The summary of the preview, in the shape above."""
    probes = choose_probes(job.gallery, (job.old_pack, job.pack))
    return {
        "at": timezone.now().isoformat(),
        "thresholds": {
            "before": _as_dict(threshold_of(job.gallery)),
            "after": _as_dict(size_threshold(job.gallery, job.pack)),
        },
        "rank1": {
            "samples": len(probes),
            "before": leave_one_out(job.gallery, job.old_pack, probes),
            "after": leave_one_out(job.gallery, job.pack, probes),
        },
    }


def leave_one_out(gallery: Gallery, pack: str, probes: dict[UUID, UUID]) -> float | None:
    """The share of `probes` (sample id → person id) whose nearest other sample is of the same person; None without probes."""
    if not probes:
        return None
    vectors = dict(
        FaceEmbedding.objects.filter(gallery=gallery, pack=pack, sample__in=probes).values_list("sample", "vector")
    )
    samples = _as_bytes(probes)
    order = np.argsort(samples)
    twice = 2 * np.array([vectors[sample] for sample in probes], "float32")
    best = np.full(len(probes), np.inf, "float32")
    people = np.zeros(len(probes), "S16")  # of the best so far
    for block in enrolled_vectors(gallery_id=gallery.pk, pack=pack, block=BLOCK):
        squares = twice @ block.vectors.T  # |a - b|² without |a|², which is the same for every b
        np.subtract((block.vectors**2).sum(1)[None], squares, out=squares)
        others = block.samples.view("S16")
        place = order[np.minimum(np.searchsorted(samples, others, sorter=order), len(order) - 1)]
        itself = np.flatnonzero(samples[place] == others)
        squares[place[itself], itself] = np.inf  # no sample is compared with itself
        nearest = squares.argmin(1)
        distances = squares[np.arange(len(probes)), nearest]
        nearer = distances < best
        best[nearer] = distances[nearer]
        people[nearer] = block.identities.view("S16")[nearest[nearer]]
    return float((people == _as_bytes(probes.values())).mean())


def choose_probes(gallery: Gallery, packs: Sequence[str]) -> dict[UUID, UUID]:
    """Samples of people who have at least two, with vectors of all `packs`; the same ones at every run.

    Returns sample id → person id.
    """
    people = gallery.identities.filter(active=True).order_by()
    enrolled = Count("samples", filter=Q(samples__rejected=False, samples__deleted_at=None))
    several = people.annotate(enrolled=enrolled).filter(enrolled__gte=2)
    samples = FaceSample.objects.enrolled().filter(identity__in=several.values("pk"))
    for pack in packs:
        samples = samples.filter(pk__in=FaceEmbedding.objects.filter(gallery=gallery, pack=pack).values("sample"))
    count = min(max(MAX_DISTANCES // max(samples.count(), 1), MIN_PROBES), MAX_PROBES)
    drawn = samples.order_by(MD5(Cast("pk", CharField())))[:count]
    return dict(drawn.values_list("pk", "identity_id"))


def _as_bytes(ids: Iterable[UUID]) -> np.ndarray:
    return np.array([pk.bytes for pk in ids], "S16")


def _verdicts(gallery: Gallery, pack: str, probes: np.ndarray, threshold: Threshold) -> list[Verdict]:
    nearest = nearest_identities(gallery_id=gallery.pk, pack=pack, probes=probes, top_k=1)
    return [decide(matches, threshold.distance, 1) for matches in nearest]


def _outcome_of(verdict: Verdict) -> tuple[Decision, UUID | None, float | None]:
    return verdict.decision, verdict.identity_id, verdict.matches[0].distance if verdict.matches else None


def _change(face: PreviewedFace) -> Change:
    if face.before != face.after:
        return Change.TO_UNKNOWN if face.before == Decision.KNOWN else Change.TO_KNOWN
    return Change.NONE if face.before_identity_id == face.after_identity_id else Change.OTHER_PERSON


def _as_dict(threshold: Threshold) -> dict[str, Any]:
    return {"distance": round(threshold.distance, 4), "source": str(threshold.source)}
