"""A camera that is read all the time, by a thread of its own that opens it again whenever it is lost."""

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from recognition.video.frame import MOST_PIXELS, MOST_SIDE, Frame, Picture
from recognition.video.opening import open_source
from recognition.video.source import Allowed, Reason, Source, SourceError
from recognition.video.watch import Cancelled, Patience, Pauses, Pulse, Watch

log = logging.getLogger(__name__)
EARLY = 0.25  # of the time between two frames: how early one may be, as cameras are not punctual


class Status(StrEnum):
    """connecting: for the first time. live. degraded: open, but no good pictures come, or far fewer than before.
    offline: not open; `reason` says why. It stays so until a good picture comes."""

    CONNECTING = "connecting"
    LIVE = "live"
    DEGRADED = "degraded"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class ReaderState:
    """since: when the status began. sentence: the reason in words, or "". fps: good pictures a second that the camera
    sends. drops: frames that nobody took before the next one came. damaged: pictures that were unreadable.
    reconnects: attempts after the first. width, height: of the camera's picture, 0 before the first. Times: UTC."""

    status: Status
    since: datetime
    reason: Reason | None = None
    sentence: str = ""
    fps: float = 0.0
    drops: int = 0
    damaged: int = 0
    reconnects: int = 0
    width: int = 0
    height: int = 0
    last_frame_at: datetime | None = None


class Reader:
    """Keeps the newest frame of a source in a slot of one; what nobody takes is dropped.

    `fps`, which may be changed at any time, says how many frames a second get into the slot; the others are decoded where
    later ones need them, and not converted. `arrived` is notified of each frame and each change of status; readers
    may share one, so that one thread can wait for many cameras. Is a context manager: start() and stop().
    """

    def __init__(
        self,
        source: Source,
        allowed: Allowed,
        *,
        patience: Patience = Patience(),  # noqa: B008 (frozen)
        most_side: int = MOST_SIDE,
        most_pixels: int = MOST_PIXELS,
        arrived: threading.Condition | None = None,
        name: str = "camera",
    ) -> None:
        self.fps = source.fps
        self.arrived = arrived or threading.Condition()
        self._source = source
        self._allowed = allowed
        self._patience = patience
        self._most_side = most_side
        self._most_pixels = most_pixels
        self._watch = Watch(patience.opening)
        self._pulse = Pulse(patience, source.fps)
        self._state = ReaderState(Status.CONNECTING, datetime.now(UTC))
        self._slot: Frame | None = None
        self._seq = 0
        self._mark = 0.0  # when the last frame was due
        self._thread = threading.Thread(target=self._run, name=f"video of {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> bool:
        """Ends the thread: whether it has, within `timeout` seconds. If not, it waits for DNS or for a device, and ends
        after that. It hands on no frame either way. To end many at once, tell each with a timeout of 0 first."""
        self._watch.cancel()
        with self.arrived:
            self._slot = None
            self.arrived.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def take(self) -> Frame | None:
        """The newest frame, if it was not taken yet. Does not wait."""
        with self.arrived:
            frame, self._slot = self._slot, None
            return frame

    def wait(self, timeout: float | None = None) -> Frame | None:
        """The newest frame that was not taken yet, as soon as there is one; None after `timeout` seconds, or at the end."""
        with self.arrived:
            self.arrived.wait_for(lambda: self._slot is not None or self.is_over, timeout)
            return self.take()

    @property
    def is_over(self) -> bool:
        """Whether no frame will come any more: stopped, or at the end of a file."""
        return self._watch.is_cancelled or self._state.reason == Reason.ENDED

    @property
    def state(self) -> ReaderState:
        with self.arrived:
            now = time.monotonic()
            state = replace(self._state, fps=round(self._pulse.rate(now), 1))
            if state.status != Status.LIVE:
                return replace(state, fps=0.0)
            if not (self._pulse.is_late(now) or self._pulse.is_slow(now)):
                return state
            stalled = SourceError(Reason.STALLED)
            since = state.last_frame_at or state.since
            return replace(state, status=Status.DEGRADED, since=since, reason=stalled.reason, sentence=stalled.sentence)

    def _run(self) -> None:
        pauses = Pauses(self._patience)
        with suppress(Cancelled):
            while True:
                failure = self._read()
                with self.arrived:
                    self._enter(Status.OFFLINE, failure)
                    good_for = self._pulse.good_for
                if failure.reason == Reason.ENDED:
                    return
                self._watch.pause(pauses.after(failure.reason, good_for))
                with self.arrived:
                    self._state = replace(self._state, reconnects=self._state.reconnects + 1)

    def _read(self) -> SourceError:
        """Reads until it fails: with what. Raises Cancelled."""
        self._watch.allow(self._patience.opening)
        with self.arrived:
            self._pulse = Pulse(self._patience, self._source.fps)
        try:
            with open_source(self._source, self._allowed, self._watch, self._most_pixels) as pictures:
                for picture in pictures:
                    self._look_at(picture)
        except SourceError as failure:
            return failure
        except Cancelled:
            raise
        except Exception:  # one camera's oddity must not end its reader for good
            log.exception("%s could not be read.", self._thread.name)
            return SourceError(Reason.BROKEN)
        return SourceError(Reason.LOST)

    def _look_at(self, picture: Picture | None) -> None:
        self._watch.left()
        now = time.monotonic()
        is_wanted = now >= self._mark + (1 - EARLY) * self._period
        is_good = picture is not None and (not is_wanted or _is_loaded(picture))
        with self.arrived:
            if picture is None or not is_good:
                self._state = replace(self._state, damaged=self._state.damaged + 1)
            else:
                self._pulse.beat(now)
                self._watch.allow(self._patience.stalled)
                self._note(picture)
                if is_wanted:
                    # The rate is kept on average, but nothing is made up for after a pause.
                    due = self._mark + self._period
                    self._mark = due if due + self._period > now else now
                    self._hand_on(picture, now)
            self._pulse.check(now)

    @property
    def _period(self) -> float:
        return 1 / max(self.fps, 0.01)

    def _note(self, picture: Picture) -> None:
        if self._state.status != Status.LIVE:
            self._enter(Status.LIVE)
        self._state = replace(self._state, width=picture.width, height=picture.height, last_frame_at=datetime.now(UTC))

    def _hand_on(self, picture: Picture, now: float) -> None:
        if self._watch.is_cancelled:
            raise Cancelled
        if self._slot is not None:
            self._state = replace(self._state, drops=self._state.drops + 1)
        self._seq += 1
        self._slot = Frame(self._seq, datetime.now(UTC), now, picture, self._most_side)
        self.arrived.notify_all()

    def _enter(self, status: Status, failure: SourceError | None = None) -> None:
        since = self._state.since if status == self._state.status else datetime.now(UTC)
        reason, sentence = (failure.reason, failure.sentence) if failure else (None, "")
        self._state = replace(self._state, status=status, since=since, reason=reason, sentence=sentence)
        self.arrived.notify_all()


def _is_loaded(picture: Picture) -> bool:
    try:
        picture.load()
    except SourceError:
        return False
    return True
