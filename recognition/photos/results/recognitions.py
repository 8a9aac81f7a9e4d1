"""Recognitions and analyses: all of a claim are written together, in one transaction of a dozen statements."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import audit, looks
from accounts.actor import Actor
from accounts.models import ApiKey
from faceplatform.database.compiled import insert
from gallery import services as gallery_services
from recognition.engine.base import Face, PhotoAnalysis
from recognition.photos import queue
from recognition.photos.installed_packs import manifest_of
from recognition.photos.liveness import judged
from recognition.photos.models import (
    RECOGNITIONS,
    Candidate,
    Decision,
    Purpose,
    RecognitionFace,
    RecognitionRequest,
    Status,
)
from recognition.photos.results.decisions import Verdict, decide_all
from recognition.photos.results.ending import face_row, milliseconds, outcome, points, select_faces
from recognition.photos.thresholds import Threshold, threshold_of
from recognition.tallies import counting


@dataclass(slots=True)
class Result:
    """A request with what was found. threshold, verdicts (one per face), search: only for recognitions. rows: as stored."""

    request: RecognitionRequest
    analysis: PhotoAnalysis
    faces: list[Face]
    threshold: Threshold | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    search: float | None = None  # milliseconds, for all faces that were searched for together
    rows: list[RecognitionFace] = field(default_factory=list)

    @property
    def is_recognition(self) -> bool:
        return self.request.purpose in RECOGNITIONS

    @property
    def is_live(self) -> bool:
        return self.request.purpose == Purpose.LIVE


def write_results(*, analysed: Sequence[tuple[RecognitionRequest, PhotoAnalysis]], token: UUID) -> set[UUID]:
    """Writes what was found in the photos. Returns the ids of the requests dealt with; the other leases have been lost.

    If a gallery has moved to another pack since, its photos are queued again, to be processed with that pack.
    All or nothing: raises IntegrityError if a person who was found has been deleted since, and NotAllowed if the account
    that asked has been deleted.
    """
    if not analysed:
        return set()
    outdated = {request.pk for request, _ in analysed if _pack_has_changed(request)}
    results = [
        Result(request, analysis, judged(select_faces(request, analysis), request.gallery))
        for request, analysis in analysed
        if request.pk not in outdated
    ]
    _search([result for result in results if result.is_recognition])
    with transaction.atomic():
        held = queue.hold(ids=[result.request.pk for result in results], token=token)
        _write([result for result in results if result.request.pk in held])
        for request, _ in analysed:
            if request.pk in outdated:
                queue.release_for_pack(request_id=request.pk, token=token, pack=request.gallery.pack)
    return held | outdated


def _pack_has_changed(request: RecognitionRequest) -> bool:
    """Whether the gallery's threshold is for another pack than the embeddings. One sent with the request still fits."""
    uses_gallery_threshold = request.purpose in RECOGNITIONS and request.options.get("threshold") is None
    return uses_gallery_threshold and request.pack != request.gallery.pack


def _search(results: Sequence[Result]) -> None:
    """Decides the faces, with one search for all results of the same gallery, threshold and top_k."""
    groups: dict[tuple[UUID, float | None, int], list[Result]] = defaultdict(list)
    for result in results:
        options = result.request.options
        groups[result.request.gallery_id, options.get("threshold"), options.get("top_k", 5)].append(result)
    for (_, requested, top_k), group in groups.items():
        started = timezone.now()
        request = group[0].request
        threshold = threshold_of(request.gallery, requested)
        faces = [face for result in group for face in result.faces]
        verdicts = iter(
            decide_all(
                faces, gallery_id=request.gallery_id, pack=request.pack, threshold=threshold.distance, top_k=top_k
            )
        )
        search = milliseconds(started, timezone.now())
        for result in group:
            result.threshold, result.search = threshold, search
            result.verdicts = [next(verdicts) for _ in result.faces]


def _write(results: Sequence[Result]) -> None:
    if not results:
        return
    for result in results:
        result.rows = list(_recognised_faces(result) if result.is_recognition else _analysed_faces(result))
    insert([row for result in results for row in result.rows])
    recognitions = [result for result in results if result.is_recognition]
    insert([row for result in recognitions for row in _candidates(result)])
    verdicts = [verdict for result in recognitions for verdict in result.verdicts]
    known = {verdict.identity_id for verdict in verdicts if verdict.identity_id is not None}
    gallery_services.note_recognized(identity_ids=known, at=timezone.now())
    queue.finish([_outcome(result) for result in results])
    _audit([result for result in recognitions if not result.is_live])
    _note_looks([result for result in recognitions if result.is_live])
    transaction.on_commit(lambda: _count(verdicts))


def _count(verdicts: Sequence[Verdict]) -> None:
    """For monitoring."""
    for verdict in verdicts:
        counting.count("decisions", verdict.decision)


def _recognised_faces(result: Result) -> Iterator[RecognitionFace]:
    for index, (face, verdict) in enumerate(zip(result.faces, result.verdicts, strict=True)):
        yield face_row(
            result.request,
            index,
            face,
            crop=b"" if result.is_live else face.crop.jpeg,
            crop_landmarks=[] if result.is_live else points(face.crop.landmarks),
            vector=None if result.is_live else face.embedding.tolist(),
            decision=verdict.decision,
            identity_id=verdict.identity_id,
            margin=verdict.margin,
        )


def _analysed_faces(result: Result) -> Iterator[RecognitionFace]:
    """Of a detection, an embedding or a comparison: nobody was searched for, and no picture is kept."""
    keeps_vectors = result.request.purpose != Purpose.DETECT
    for index, face in enumerate(result.faces):
        vector = face.embedding.tolist() if keeps_vectors else None
        decision = None if face.quality.usable else Decision.UNUSABLE
        yield face_row(result.request, index, face, vector=vector, decision=decision)


def _candidates(result: Result) -> Iterator[Candidate]:
    assert result.threshold is not None  # set by _search for every recognition
    manifest = manifest_of(result.request.pack)
    for row, verdict in zip(result.rows, result.verdicts, strict=True):
        for rank, match in enumerate(verdict.matches):
            yield Candidate(
                face=row,
                rank=rank,
                identity_id=match.identity_id,
                sample_id=match.sample_id,
                distance=match.distance,
                mean_distance=match.mean_distance,
                score=manifest.score(match.distance, result.threshold.distance),
            )


def _outcome(result: Result) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if result.threshold:
        fields = {"threshold_distance": result.threshold.distance, "threshold_source": result.threshold.source}
    return outcome(result.request, Status.DONE, analysis=result.analysis, search=result.search, **fields)


def _audit(recognitions: Sequence[Result]) -> None:
    events = []
    for result in recognitions:
        verdicts, request = result.verdicts, result.request
        details: dict[str, Any] = {
            decision.value: sum(v.decision == decision for v in verdicts) for decision in Decision
        }
        details["identities"] = [str(v.identity_id) for v in verdicts if v.identity_id]
        about = {"actor": _requester(request), "gallery": request.gallery, "target": request}
        events.append({"action": "recognition.answered", "details": details, **about})
    audit.record_all(events)


def _note_looks(results: Sequence[Result]) -> None:
    """Whom live pictures showed to whom: one row for each person and hour, for the audit would grow by the second."""
    seen = {
        (str(verdict.identity_id), str(result.request.requested_by_id)): result.request
        for result in results
        for verdict in result.verdicts
        if verdict.identity_id is not None
    }
    for (identity, _), request in sorted(seen.items(), key=lambda item: item[0]):
        looks.note(_requester(request), looks.Seen(looks.Kind.PERSON, request.gallery, identity))


def _requester(request: RecognitionRequest) -> Actor:
    """Who asked, as the audit names them; it grants nothing. Raises NotAllowed if the account has been deleted."""
    record = request.requested_as
    key = ApiKey(pk=record["api_key"], prefix=record.get("api_key_prefix", "")) if record["api_key"] else None
    return Actor.from_record(request.requested_by, record, key)
