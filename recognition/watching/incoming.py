"""A webcam whose pictures a browser posts: read from the database, with the face of a `recognition.video.reader.Reader`."""

import time
from datetime import UTC, datetime

from django.utils.translation import gettext_noop

from recognition.cameras.models import Camera, IncomingFrame
from recognition.video.frame import MOST_PIXELS, Frame, JpegPicture
from recognition.video.reader import ReaderState, Status
from recognition.video.source import Reason, SourceError

SILENT = gettext_noop("No browser sends pictures. Open the camera's page there and press “Start”.")
LOST_AFTER = 10.0  # seconds
LOOK_EVERY = 0.25  # seconds


class WebcamReader:
    """Not a thread: `take` looks into the table. Raises there what the database does."""

    def __init__(self, camera: Camera):
        self.fps = camera.fps
        self._camera = camera
        self._seq = -1
        self._count = 0
        self._looked = 0.0
        self._frame_at: float | None = None
        self._began = time.monotonic()
        self.state = ReaderState(Status.CONNECTING, datetime.now(UTC))

    def start(self) -> None:
        """Pictures from before nobody wants any more."""
        self._seq = self._newest_seq()

    def stop(self, timeout: float = 0.0) -> None:
        """Nothing runs."""

    def take(self) -> Frame | None:
        """The newest picture, if there is one that was not taken yet."""
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY:
            return None
        self._looked = now
        row = IncomingFrame.objects.filter(camera=self._camera.pk, seq__gt=self._seq).values_list("seq", "jpeg").first()
        frame = self._frame(*row, now) if row else None
        self._tell(now, frame)
        return frame

    def _frame(self, seq: int, jpeg: bytes | memoryview, now: float) -> Frame | None:
        self._seq = seq
        try:
            picture = JpegPicture(bytes(jpeg), MOST_PIXELS)
        except SourceError:
            return None
        self._count += 1
        self._frame_at = now
        return Frame(self._count, datetime.now(UTC), now, picture)

    def _tell(self, now: float, frame: Frame | None) -> None:
        silent = now - (self._frame_at or self._began) > LOST_AFTER
        status = Status.LIVE if frame else Status.OFFLINE if silent else self.state.status
        since = self.state.since if status == self.state.status else datetime.now(UTC)
        self.state = ReaderState(
            status,
            since,
            Reason.STALLED if status == Status.OFFLINE else None,
            SILENT if status == Status.OFFLINE else "",
            fps=self.fps if status == Status.LIVE else 0.0,
            width=frame.width if frame else self.state.width,
            height=frame.height if frame else self.state.height,
            last_frame_at=frame.taken_at if frame else self.state.last_frame_at,
        )

    def _newest_seq(self) -> int:
        row = IncomingFrame.objects.filter(camera=self._camera.pk).values_list("seq").first()
        return row[0] if row else -1
