"""Writes what a camera worker decided about its tracks (recognition/tracking) as sightings, and all that follows from one.

Everything about a frame is one transaction, which holds the camera's claim: a worker that was paused past its lease writes
nothing. It may be repeated: a sighting's id is chosen before it is first written.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid6
from django.db import transaction
from django.db.models import F

from gallery.models import Identity
from gallery.services import note_recognized
from recognition.alerts import services as alerts
from recognition.attendance import services as attendance
from recognition.cameras import claims
from recognition.cameras.claims import Claim
from recognition.cameras.models import Sighting, SightingEmbedding, SightingFace, UnknownPerson
from recognition.photos.models import Decision
from recognition.sightings import unknown_people
from recognition.tracking.base import Corrected, Ended, Event, Opened, SeenFace
from recognition.tracking.base import Sighting as Seen

GOES_ON = timedelta(seconds=60)  # who comes back to the same camera within it is not another sighting
CORRECTED = "corrected"  # the reason of a sighting whose track turned out to be somebody else


class SightingWriter:
    """Of one camera, for as long as one worker holds it. pack: of the vectors."""

    def __init__(self, claim: Claim, pack: str):
        self.claim = claim
        self.pack = pack
        self._open: dict[int, _Written] = {}  # number of the tracker's sighting → its row
        self._unknown: dict[int, UUID] = {}  # track → unknown person
        self._tracks: dict[int, UUID] = {}

    def write(self, events: Sequence[Event]) -> None:
        """Raises Lost if another worker has the camera, and what the database raises; then it may be called again."""
        with transaction.atomic():
            claims.hold(self.claim)
            unknown_people.lock_unknowns(self.claim.camera.gallery_id)  # before any row is locked
            for event in events:
                self._write(event)
        for event in events:
            if isinstance(event, Ended | Corrected):
                over = event.closed if isinstance(event, Corrected) else event.sighting
                self._open.pop(over.number, None)
        self._forget({written.track for written in self._open.values()})

    def _write(self, event: Event) -> None:
        if isinstance(event, Opened):
            self._begin(event.sighting)
        elif isinstance(event, Corrected):
            wrong = self._retract(event.closed)
            self._begin(event.sighting, follows=wrong)
        else:
            self._go_on(event.sighting, closed=isinstance(event, Ended))

    # --- Opening ---
    def _begin(self, seen: Seen, follows: Sighting | None = None) -> None:
        written = self._open.setdefault(seen.number, _Written(uuid6.uuid7(), seen.track))
        row = Sighting.objects.filter(pk=written.pk).first()
        if row is None:  # else it was written, but the answer was lost
            row = self._create(written, seen, follows)
        self._write_evidence(row, written, seen)

    def _create(self, written: "_Written", seen: Seen, follows: Sighting | None) -> Sighting:
        """Or the sighting of a moment ago, if it is the same person again: then nobody is told once more."""
        row = self._row(written, seen, follows)
        if row.decision == Decision.UNKNOWN and seen.mean is not None:
            self._join(row, seen)
        if earlier := self._earlier(row):
            if row.unknown:
                UnknownPerson.objects.filter(pk=row.unknown.pk).update(sightings_count=F("sightings_count") - 1)
            return self._resume(written, earlier, seen)
        row.save(force_insert=True)
        if row.decision != Decision.UNUSABLE:
            alerts.raise_for(row)
        return row

    def _row(self, written: "_Written", seen: Seen, follows: Sighting | None) -> Sighting:
        return Sighting(
            pk=written.pk,
            gallery=self.claim.camera.gallery,
            camera=self.claim.camera,
            track=self._tracks.setdefault(seen.track, uuid6.uuid7()),
            decision=Decision(seen.decision),
            identity=self._still_there(seen.identity_id),
            reason=seen.reason or "",
            first_seen=_time(seen.first_seen),
            last_seen=_time(seen.last_seen),
            frames=seen.frames,
            distance=seen.distance,
            margin=seen.margin,
            threshold=seen.threshold,
            pack=self.pack,
            follows=follows,
        )

    def _join(self, row: Sighting, seen: Seen) -> None:
        assert seen.mean is not None
        beside = {self._unknown[track] for track in seen.beside if track in self._unknown}
        self._unknown[seen.track] = unknown_people.join(sighting=row, vector=seen.mean, forbidden=beside).pk

    def _earlier(self, row: Sighting) -> Sighting | None:
        """The last sighting of the same person by this camera, if it was a moment ago and nobody has corrected it."""
        if row.identity_id is None and row.unknown_id is None:
            return None
        who = {"identity": row.identity_id} if row.identity_id else {"unknown": row.unknown_id, "identity": None}
        rows = Sighting.objects.filter(camera=row.camera, closed=True, named_at=None, pack=row.pack, **who)
        rows = rows.filter(last_seen__gte=row.first_seen - GOES_ON, last_seen__lte=row.last_seen)
        return rows.select_for_update().order_by("-last_seen").first()

    def _resume(self, written: "_Written", earlier: Sighting, seen: Seen) -> Sighting:
        written.pk, written.frames_before, written.resumed = earlier.pk, earlier.frames, True
        Sighting.objects.filter(pk=earlier.pk).update(closed=False)
        earlier.closed = False
        self._update(earlier, written, seen)
        return earlier

    # --- Going on ---
    def _go_on(self, seen: Seen, *, closed: bool) -> None:
        written = self._open.get(seen.number)
        row = Sighting.objects.select_for_update().filter(pk=written.pk).first() if written else None
        if written is None or row is None:  # erased, or its retention is over
            return
        row.closed = closed
        self._update(row, written, seen)
        self._write_evidence(row, written, seen)

    def _update(self, row: Sighting, written: "_Written", seen: Seen) -> None:
        """Who it is may have been corrected by hand meanwhile: that is left as it is."""
        row.last_seen = max(row.last_seen, _time(seen.last_seen))
        row.frames = written.frames_before + seen.frames
        fields = ["last_seen", "frames", "closed"]
        if row.decision == seen.decision and row.identity_id == seen.identity_id:
            row.distance, row.margin, row.threshold = seen.distance, seen.margin, seen.threshold
            fields += ["distance", "margin", "threshold"]
        row.save(update_fields=fields)
        if row.unknown_id:
            unknown_people.seen_until(row)

    def _retract(self, seen: Seen) -> Sighting | None:
        """Its track is somebody else: the row says so, and no longer counts for whom it named."""
        written = self._open.get(seen.number)
        row = Sighting.objects.select_for_update().filter(pk=written.pk).first() if written else None
        if row is None:
            return None
        if row.named_at is not None:  # a curator knows better
            Sighting.objects.filter(pk=row.pk).update(closed=True)
            return row
        person, stranger = row.identity_id, row.unknown_id
        row.decision, row.identity, row.unknown = Decision.UNUSABLE, None, None
        row.reason, row.closed = CORRECTED, True
        row.save(update_fields=["decision", "identity", "unknown", "reason", "closed"])
        if stranger:
            unknown_people.refresh([stranger])
        if person:
            attendance.recount([person])
        return row

    # --- What belongs to it ---
    def _write_evidence(self, row: Sighting, written: "_Written", seen: Seen) -> None:
        if row.decision == Decision.KNOWN and row.identity_id:
            note_recognized(identity_ids=[row.identity_id], at=row.last_seen)
            attendance.count_sighting(row)
        frames = tuple(face.frame for face in seen.faces)
        if frames != written.frames and self._better(row, written, seen.faces):
            written.frames = frames
            row.faces.all().delete()
            SightingFace.objects.bulk_create(self._face_rows(row, seen.faces))
        if seen.mean is not None:
            SightingEmbedding.objects.update_or_create(
                gallery_id=row.gallery_id, pack=self.pack, sighting=row, defaults={"vector": seen.mean}
            )

    def _better(self, row: Sighting, written: "_Written", faces: Sequence[SeenFace]) -> bool:
        """Faces of before it went on stay, unless the new ones are better."""
        if not written.resumed or not faces:
            return bool(faces)
        best = row.faces.order_by("rank").values_list("quality_score", flat=True).first()
        return best is None or faces[0].face.quality.score > best

    def _face_rows(self, row: Sighting, faces: Iterable[SeenFace]) -> list[SightingFace]:
        return [
            SightingFace(
                gallery_id=row.gallery_id,
                sighting=row,
                rank=rank,
                taken_at=_time(seen.at),
                jpeg=seen.face.crop.jpeg,
                width=seen.face.crop.width,
                height=seen.face.crop.height,
                landmarks=seen.face.crop.landmarks.round(2).tolist(),
                detection_score=round(float(seen.face.detection_score), 4),
                quality_score=seen.face.quality.score,
                reasons=list(seen.face.quality.reasons),
                liveness=None if seen.face.liveness is None else round(seen.face.liveness, 4),
                pack=self.pack,
                vector=seen.face.embedding,
            )
            for rank, seen in enumerate(faces)
        ]

    def _still_there(self, identity_id: UUID | None) -> Identity | None:
        """Somebody may be purged or erased between the search and this. Locked, so that it is not done right now."""
        if identity_id is None:
            return None
        return Identity.with_deleted.select_for_update(no_key=True).filter(pk=identity_id).first()

    def _forget(self, tracks: set[int]) -> None:
        """Tracks long over: who stood beside them does not matter any more."""
        for remembered in (self._unknown, self._tracks):
            for track in [*remembered][:-200]:
                if track not in tracks:
                    del remembered[track]


class _Written:
    """The row of a sighting. frames: those whose faces are stored. frames_before: of the sighting that goes on with it."""

    __slots__ = ("frames", "frames_before", "pk", "resumed", "track")

    def __init__(self, pk: UUID, track: int):
        self.pk = pk
        self.track = track
        self.frames: tuple[int, ...] = ()
        self.frames_before = 0
        self.resumed = False


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
