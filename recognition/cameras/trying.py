"""Reads one picture of a camera, for somebody who is about to add it: a few at a time, without a database connection."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
from django.utils.translation import gettext as _

from faceplatform.errors import TooManyAttempts, Unprocessable
from faceplatform.web.languages import retold
from recognition.cameras.sources import allowed_sources
from recognition.video.source import Allowed, Source, SourceError

AT_ONCE, WAITING = 2, 4
TRY_SECONDS = 10.0
WAIT_SECONDS = 30.0  # for those before it, too
LONG_SIDE, JPEG_QUALITY = 960, 80

_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="try-camera")
_room = threading.BoundedSemaphore(AT_ONCE + WAITING)


class Attempt:
    """A camera that is being tried. A request waits for it as for an Arrival; see faceplatform/web/later.py.

    Raises TooManyAttempts if many others are.
    """

    def __init__(self, source: Source) -> None:
        if not _room.acquire(blocking=False):
            raise TooManyAttempts(_("Other cameras are being tried. Try again in a few seconds."), retry_after=5)
        self.future: Future[None] = Future()
        self.future.set_running_or_notify_cancel()  # so that a client that goes away cannot cancel it in between
        self._work = _threads.submit(_picture_of, source, allowed_sources())
        self._work.add_done_callback(self._end)

    def _end(self, work: "Future[bytes]") -> None:
        _room.release()
        self.future.set_result(None)

    def wait(self, seconds: float) -> bool:
        """Blocks this thread for at most `seconds`. Returns whether it is over."""
        try:
            self.future.result(seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Gives up one that has not begun."""
        self._work.cancel()

    def picture(self) -> bytes:
        """The JPEG. Raises Unprocessable (camera_… with the reason), with a sentence that holds no secret."""
        if not self._work.done() or self._work.cancelled():
            raise Unprocessable(_("The camera takes too long to answer. Try again."), code="camera_stalled")
        try:
            return self._work.result()
        except SourceError as error:
            raise Unprocessable(retold(error.sentence), code=f"camera_{error.reason}") from None


def _picture_of(source: Source, allowed: Allowed) -> bytes:
    from recognition.video.opening import (
        grab_frame,
    )  # the decoder's libraries: only a process that tries cameras has them

    frame = grab_frame(source, allowed, TRY_SECONDS, most_side=LONG_SIDE)
    _, jpeg = cv2.imencode(".jpg", frame.bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()
