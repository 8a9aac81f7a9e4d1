"""One camera in a camera worker: its reader, what moves in it, whom it sees, and what is told about it."""

import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import cv2
import numpy as np
from django.db import transaction
from django.utils import timezone

from gallery.search.query import Match, nearest_identities
from recognition.alerts import services as alerts
from recognition.cameras import claims
from recognition.cameras.claims import Claim
from recognition.cameras.models import Camera, CameraStatus, LivePeriod
from recognition.engine.base import Face
from recognition.engine.pipeline import Pipeline
from recognition.photos.thresholds import threshold_of
from recognition.sightings.writing import SightingWriter
from recognition.tracking.base import Event, Limits
from recognition.tracking.mask import Mask
from recognition.tracking.motion import MotionGate
from recognition.tracking.watch import Watch
from recognition.video.frame import Frame
from recognition.video.reader import ReaderState, Status
from recognition.video.source import Reason
from recognition.watching.pictures import Labels, draw, publish

GATE_FPS = 8.0  # pictures a second in which motion is looked for
WATCHED_EVERY = 0.2  # seconds between pictures for who watches
UNWATCHED_EVERY = 10.0
RATE_OVER = 5.0  # seconds
THRESHOLD_HOLDS = 30.0  # seconds for which all cameras of a gallery use one count of its faces
STATUS = {
    Status.CONNECTING: CameraStatus.CONNECTING,
    Status.LIVE: CameraStatus.LIVE,
    Status.DEGRADED: CameraStatus.DEGRADED,
    Status.OFFLINE: CameraStatus.OFFLINE,
}
SEEN = (CameraStatus.LIVE, CameraStatus.DEGRADED)  # whoever came by was seen
# A change of these opens the source anew.
SOURCE_FIELDS = ("kind", "address", "credentials", "repeats", "enabled")


class PictureSource(Protocol):
    """A `recognition.video.reader.Reader`, or a webcam's."""

    fps: float

    @property
    def state(self) -> ReaderState: ...

    def take(self) -> Frame | None: ...

    def stop(self) -> Any: ...


class CameraRun:
    """From its claim to its release. Not for several threads."""

    def __init__(self, claim: Claim, reader: PictureSource, pipeline: Pipeline):
        self.claim = claim
        self.reader = reader
        self.pipeline = pipeline
        self.watched = False
        self.rate = claim.camera.fps  # analysed pictures a second, as the pressure allows
        self.labels = Labels(pipeline.manifest)
        self._writer = SightingWriter(claim, pipeline.pack_name)
        self._pending: list[Event] = []
        self._status: CameraStatus | None = None
        self._offline_told = False
        self._clock = 0.0  # what is added to monotonic time
        self._period: LivePeriod | None = None
        self._analysed: deque[float] = deque(maxlen=100)
        self._analysed_at = self._published_at = float("-inf")
        self._look_out()

    @property
    def camera(self) -> Camera:
        return self.claim.camera

    def _look_out(self) -> None:
        """Begins to follow anew, with the camera's limits and the gallery's threshold."""
        mask = Mask(self.camera.masks)
        self._gate = MotionGate(mask)
        self._watch = Watch(search=self._search, limits=self._limits(), mask=mask)

    def _limits(self) -> Limits:
        camera = self.camera
        threshold = threshold_of(camera.gallery, counted_within=THRESHOLD_HOLDS).distance
        return Limits(threshold, min_frames=camera.min_frames, min_face_px=camera.min_face_px)

    def _search(self, probes: np.ndarray) -> Sequence[Sequence[Match]]:
        return nearest_identities(
            gallery_id=self.camera.gallery_id, pack=self.pipeline.pack_name, probes=probes, top_k=2
        )

    # --- Frames ---
    def next_frame(self) -> Frame | None:
        """The newest picture, if it is to be searched for faces now. Others are shown to whoever watches."""
        self.reader.fps = max(GATE_FPS, self.rate)
        frame = self.reader.take()
        if frame is None:
            return None
        moves = self._gate.look(frame.luma, at=frame.monotonic, tracking=self._watch.tracking)
        if moves and frame.monotonic - self._analysed_at >= 0.9 / self.rate:
            self._analysed_at = frame.monotonic
            return frame
        if not self._watch.tracking:
            self._show(frame)
        return None

    def saw(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Takes the faces of a frame. Raises Lost, and what the database raises; then nothing is lost."""
        self._analysed.append(time.monotonic())
        height, width = frame.bgr.shape[:2]
        try:
            self._pending += self._watch.see(
                faces, frame=frame.seq, at=self._time_of(frame), width=width, height=height
            )
        finally:
            self._show(frame)
        self.write()

    def _time_of(self, frame: Frame) -> float:
        """Seconds as of time.time(), of a clock that is not set while somebody is followed."""
        if not self._watch.tracking:
            self._clock = frame.taken_at.timestamp() - frame.monotonic
        return self._clock + frame.monotonic

    def write(self) -> None:
        """Writes what is not written yet."""
        if self._pending:
            self._writer.write(self._pending)
            self._pending = []

    def end_tracks(self) -> None:
        """The camera is lost, or switched off: whom it saw it no longer sees."""
        self._pending += self._watch.close()
        self.write()

    def _show(self, frame: Frame) -> None:
        every = WATCHED_EVERY if self.watched else UNWATCHED_EVERY
        if not self.camera.live or frame.monotonic - self._published_at < every:
            return
        self._published_at = frame.monotonic
        publish(self.camera, draw(frame.bgr, self._watch.shown, self.labels), frame.taken_at)

    # --- State ---
    @property
    def opening(self) -> bool:
        """Whether nothing has come from the source yet, neither a picture nor a fault."""
        return self.reader.state.status == Status.CONNECTING

    @property
    def ended(self) -> bool:
        return self.reader.state.reason == Reason.ENDED

    def tell(self) -> None:
        """Writes the camera's state. Ends the tracks when it is lost. Raises Lost."""
        state = self.reader.state
        status = STATUS[state.status]
        if status not in SEEN and self._status in SEEN:
            self.end_tracks()
        now = timezone.now()
        values = {
            "status": status,
            "reason": state.sentence[:300],
            "since": state.since,
            "last_frame_at": state.last_frame_at,
            "width": state.width or None,
            "height": state.height or None,
            "fps": round(state.fps, 1),
            "analysed_fps": round(self._analysed_fps(), 1),
            "drops": state.drops,
            "reconnects": state.reconnects,
            "opening": self.opening,
        }
        with transaction.atomic():
            claims.write_state(self.claim, **values)
            self._tell_alerts(status)
            self._tell_period(status, now)
        self._status = status

    def _tell_alerts(self, status: CameraStatus) -> None:
        """Once when it goes offline, once when it is back."""
        offline = status == CameraStatus.OFFLINE
        if offline != self._offline_told and (offline or status in SEEN):
            alerts.camera_changed(self.camera, offline=offline)
            self._offline_told = offline

    def _tell_period(self, status: CameraStatus, now: datetime) -> None:
        if status not in SEEN:
            self._period = None
        elif self._period is None or now - self._period.ended_at > claims.LEASE:  # frozen, it saw nobody
            self._period = claims.begin_period(self.camera, now)
        else:
            claims.extend_period(self._period, now)

    def _analysed_fps(self) -> float:
        since = time.monotonic() - RATE_OVER
        return sum(at >= since for at in self._analysed) / RATE_OVER

    # --- Changes ---
    def needs_another_source(self, camera: Camera) -> bool:
        return any(getattr(camera, name) != getattr(self.camera, name) for name in SOURCE_FIELDS)

    def change(self, camera: Camera) -> None:
        """Takes what was changed of a camera whose source is the same, and the gallery's threshold of now."""
        masks_changed = camera.masks != self.camera.masks
        self.claim = Claim(camera, self.claim.token)
        self._writer.claim = self.claim
        self.labels.forget()
        if masks_changed:
            self.end_tracks()
            self._look_out()
        else:
            self._watch.set_limits(self._limits())

    def release(self, status: CameraStatus, reason: str = "") -> None:
        """Writes what there is to say, and gives the camera back."""
        self.end_tracks()
        claims.release(self.claim, status, reason)


def rgb_of(frame: Frame) -> np.ndarray:
    return cv2.cvtColor(frame.bgr, cv2.COLOR_BGR2RGB)
