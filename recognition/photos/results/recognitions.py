"""Recognitions and analyses: those of a claim are written together, in one transaction of a dozen statements."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.models import ApiKey
from faceplatform.database.compiled import insert
from gallery import services as gallery_services
from recognition.engine.base import Face, PhotoAnalysis
from recognition.photos import queue
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import Candidate, Decision, Purpose, RecognitionFace, RecognitionRequest, Status
from recognition.photos.results.decisions import Verdict, decide_all
from recognition.photos.results.ending import ended, face_row, milliseconds, points, wanted
from recognition.photos.thresholds import Threshold, threshold_of


@dataclass(slots=True)
class Result:
    """A request with what was found. verdicts: one a face, of a recognition. rows: the faces as written."""

    request: RecognitionRequest
    analysis: PhotoAnalysis
    faces: list[Face]
    threshold: Threshold | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    search: float | None = None  # milliseconds, of all that were searched for together
    rows: list[RecognitionFace] = field(default_factory=list)

    @property
    def is_recognition(self) -> bool:
        return self.request.purpose == Purpose.RECOGNIZE


def write_results(*, found: Sequence[tuple[RecognitionRequest, PhotoAnalysis]], token: UUID) -> set[UUID]:
    """Writes what was found. Returns the ids of the requests that are dealt with; the leases of others were lost meanwhile.

    Where the gallery has moved to another pack since, the photo goes back to the queue to be looked at under that one.
    All or nothing: raises IntegrityError where somebody who was found has been deleted since, and NotAllowed where the
    account of one who asked is gone.
    """
    if not found:
        return set()
    moved = {request.pk for request, _ in found if _pack_has_changed(request)}
    results = [
        Result(request, analysis, wanted(request, analysis)) for request, analysis in found if request.pk not in moved
    ]
    _search([one for one in results if one.is_recognition])
    with transaction.atomic():
        held = queue.hold(ids=[one.request.pk for one in results], token=token)
        _write([one for one in results if one.request.pk in held])
        for request, _ in found:
            if request.pk in moved:
                queue.release_for_pack(request_id=request.pk, token=token, pack=request.gallery.pack)
    return held | moved


def _pack_has_changed(request: RecognitionRequest) -> bool:
    asked = request.purpose == Purpose.RECOGNIZE and request.options.get("threshold") is None
    return asked and request.pack != request.gallery.pack


def _search(results: Sequence[Result]) -> None:
    """One search for all who ask alike."""
    alike = defaultdict(list)
    for one in results:
        options = one.request.options
        alike[one.request.gallery_id, options.get("threshold"), options.get("top_k", 5)].append(one)
    for (_, asked, top_k), group in alike.items():
        started = timezone.now()
        request = group[0].request
        threshold = threshold_of(request.gallery, asked)
        faces = [face for one in group for face in one.faces]
        verdicts = iter(
            decide_all(
                faces, gallery_id=request.gallery_id, pack=request.pack, threshold=threshold.distance, top_k=top_k
            )
        )
        search = milliseconds(started, timezone.now())
        for one in group:
            one.threshold, one.search = threshold, search
            one.verdicts = [next(verdicts) for _ in one.faces]


def _write(results: Sequence[Result]) -> None:
    if not results:
        return
    for one in results:
        one.rows = list(_recognised(one) if one.is_recognition else _looked_at(one))
    insert([row for one in results for row in one.rows])
    recognitions = [one for one in results if one.is_recognition]
    insert([row for one in recognitions for row in _candidates(one)])
    known = {verdict.identity_id for one in recognitions for verdict in one.verdicts} - {None}
    gallery_services.note_recognized(identity_ids=known, at=timezone.now())
    queue.finish([_ended(one) for one in results])
    _audit(recognitions)


def _recognised(one: Result) -> Iterator[RecognitionFace]:
    for index, (face, verdict) in enumerate(zip(one.faces, one.verdicts, strict=True)):
        yield face_row(
            one.request,
            index,
            face,
            crop=face.crop.jpeg,
            crop_landmarks=points(face.crop.landmarks),
            vector=face.embedding.tolist(),
            decision=verdict.decision,
            identity_id=verdict.identity_id,
            margin=verdict.margin,
        )


def _looked_at(one: Result) -> Iterator[RecognitionFace]:
    """Nobody is searched for, and no picture is kept."""
    keeps_vectors = one.request.purpose != Purpose.DETECT
    for index, face in enumerate(one.faces):
        vector = face.embedding.tolist() if keeps_vectors else None
        decision = None if face.quality.usable else Decision.UNUSABLE
        yield face_row(one.request, index, face, vector=vector, decision=decision)


def _candidates(one: Result) -> Iterator[Candidate]:
    manifest = manifest_of(one.request.pack)
    for row, verdict in zip(one.rows, one.verdicts, strict=True):
        for rank, match in enumerate(verdict.matches):
            yield Candidate(
                face=row,
                rank=rank,
                identity_id=match.identity_id,
                sample_id=match.sample_id,
                distance=match.distance,
                mean_distance=match.mean_distance,
                score=manifest.score(match.distance, one.threshold.distance),
            )


def _ended(one: Result) -> dict:
    fields = {}
    if one.threshold:
        fields = {"threshold_distance": one.threshold.distance, "threshold_source": one.threshold.source}
    return ended(one.request, Status.DONE, analysis=one.analysis, search=one.search, **fields)


def _audit(recognitions: Sequence[Result]) -> None:
    events = []
    for one in recognitions:
        details = {decision.value: sum(v.decision == decision for v in one.verdicts) for decision in Decision}
        details["identities"] = [str(v.identity_id) for v in one.verdicts if v.identity_id]
        whom = {"actor": _asker(one.request), "gallery": one.request.gallery, "target": one.request}
        events.append({"action": "recognition.answered", "details": details, **whom})
    audit.record_all(events)


def _asker(request: RecognitionRequest) -> Actor:
    """Who asked, as the audit names them; nothing is allowed by it. Raises NotAllowed where the account is gone."""
    record = request.requested_as
    key = ApiKey(pk=record["api_key"], prefix=record.get("api_key_prefix", "")) if record["api_key"] else None
    return Actor.from_record(request.requested_by, record, key)
