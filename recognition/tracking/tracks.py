"""Follows faces from frame to frame of one camera, and keeps the best of each track."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from recognition.tracking.association import Row, as_row, as_rows, associate
from recognition.tracking.base import Limits, Reason, SeenFace
from recognition.tracking.vectors import mean_vector, spread_around

if TYPE_CHECKING:
    from recognition.engine.base import Face

LOST_AFTER = 2.0  # seconds without a face
SLOWEST_FRAMES = 4.0  # seconds from one frame to the next in which a track still goes on, when few frames are analysed
CLOCK_STEP = 2.0  # seconds back; less is noise
LONGEST_FORESIGHT = 1.0  # seconds
STEADINESS = 0.5  # seconds; a face that is half hidden for a frame seems to stop, which says little about its way
KEPT = 8  # best frames
LARGE_FACE = 112.0  # px; a larger one tells no more


@dataclass(slots=True, eq=False)
class Track:
    """A face followed through frames. frames: how many have it; usable: in how many it can be compared. best: of these, best
    first, at most KEPT. glimpse: the best of the others. mean, spread: of the best frames; float32 (dim,), None without one.
    """

    number: int
    first_seen: float
    last_seen: float = 0.0
    box: Row = (0.0, 0.0, 0.0, 0.0)
    frames: int = 0
    usable: int = 0
    best: list[SeenFace] = field(default_factory=list)
    glimpse: SeenFace | None = None
    mean: np.ndarray | None = None
    spread: float = 0.0
    _speed: tuple[float, float] = (0.0, 0.0)  # px a second, of late

    def add(self, face: "Face", *, frame: int, at: float, usable: bool) -> None:
        self._move(as_row(face.box), at)
        self.frames += 1
        if usable:
            self.usable += 1
            self._keep(SeenFace(face, frame, at, _weight(face)))
        elif self.glimpse is None or face.quality.score > self.glimpse.face.quality.score:
            self.glimpse = SeenFace(face, frame, at, 0.0)

    def _keep(self, seen: SeenFace) -> None:
        self.best = sorted([*self.best, seen], key=lambda kept: -kept.weight)[:KEPT]
        vectors = np.stack([kept.face.embedding for kept in self.best])
        weights = np.array([kept.weight for kept in self.best])
        self.mean = mean_vector(vectors, weights)
        self.spread = spread_around(self.mean, vectors, weights)

    @property
    def shown(self) -> tuple[SeenFace, ...]:
        """The three best faces, or the best one of those that cannot be compared."""
        return tuple(self.best[:3]) or ((self.glimpse,) if self.glimpse else ())

    def why_unusable(self, min_face_px: float) -> Reason:
        """Of a track without a usable frame."""
        assert self.glimpse is not None
        box = self.glimpse.face.box
        if min(box.width, box.height) < min_face_px:
            return "face_too_small"
        return "presentation_attack" if "presentation_attack" in self.glimpse.face.quality.reasons else "low_quality"

    def expected(self, at: float) -> Row:
        """Where its face should be, if it goes on as it did."""
        ahead = min(at - self.last_seen, LONGEST_FORESIGHT)
        x, y, width, height = self.box
        return x + self._speed[0] * ahead, y + self._speed[1] * ahead, width, height

    def _move(self, box: Row, at: float) -> None:
        if self.frames and (passed := at - self.last_seen) > 0:
            was, now = np.array(self.box), np.array(box)
            speed = (now[:2] + now[2:] / 2 - was[:2] - was[2:] / 2) / passed
            share = 1.0 if self.frames == 1 else 1 - math.exp(-passed / STEADINESS)
            self._speed = tuple(share * speed + (1 - share) * np.array(self._speed))
        self.box, self.last_seen = box, at


def _weight(face: "Face") -> float:
    """How much a face says about who it is, 0–1."""
    px = min(face.box.width, face.box.height, LARGE_FACE)
    return max(face.quality.score * px / LARGE_FACE, 1e-6)


@dataclass(frozen=True, slots=True)
class Step:
    """What a frame changed. seen: tracks with a face in it. ended: those that are over."""

    seen: list[Track]
    ended: list[Track]


class Tracker:
    """Of one camera. tracks: the open ones."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.tracks: list[Track] = []
        self._numbers = itertools.count(1)
        self._at = float("-inf")

    def update(self, faces: Sequence["Face"], *, frame: int, at: float) -> Step:
        """Takes the faces of an analysed frame. frame: any number by which the caller knows it. at: when it was taken; if
        the clock was set back, all tracks end."""
        set_back = at < self._at - CLOCK_STEP
        before, self._at = self._at, at if set_back else max(at, self._at)
        ended = [track for track in self.tracks if set_back or self._is_over(track, before)]
        self.tracks = [track for track in self.tracks if track not in ended]
        found = self._found(faces)
        seen = [found.get(number) or self._begin() for number in range(len(faces))]
        for track, face in zip(seen, faces, strict=True):
            track.add(face, frame=frame, at=self._at, usable=self._is_usable(face))
        return Step(seen, ended)

    def close(self) -> Step:
        """Ends all tracks, as the camera is lost or switched off."""
        ended, self.tracks = self.tracks, []
        return Step([], ended)

    def _is_over(self, track: Track, before: float) -> bool:
        """before: the time of the frame before this one. Where few frames are analysed, it may be long ago."""
        passed = self._at - track.last_seen
        return passed > (SLOWEST_FRAMES if track.last_seen == before else LOST_AFTER)

    def _found(self, faces: Sequence["Face"]) -> dict[int, Track]:
        pairs = associate(
            was=as_rows([track.box for track in self.tracks]),
            expected=as_rows([track.expected(self._at) for track in self.tracks]),
            boxes=as_rows([as_row(face.box) for face in faces]),
            distances=self._distances(faces),
            threshold=self.limits.threshold,
        )
        return {face: self.tracks[track] for track, face in pairs}

    def _distances(self, faces: Sequence["Face"]) -> np.ndarray:
        distances = np.full((len(self.tracks), len(faces)), np.nan)
        for column, face in enumerate(faces):
            if self._is_usable(face):
                for row, track in enumerate(self.tracks):
                    if track.mean is not None:
                        distances[row, column] = np.linalg.norm(track.mean - face.embedding)
        return distances

    def _is_usable(self, face: "Face") -> bool:
        return face.quality.usable and min(face.box.width, face.box.height) >= self.limits.min_face_px

    def _begin(self) -> Track:
        track = Track(next(self._numbers), first_seen=self._at)
        self.tracks.append(track)
        return track
