"""What tracking takes and returns, as plain values: faces of a camera's frames in, events about sightings out.

Boxes and landmarks are px of the frame. Times are seconds of one clock, such as time.time(). Distances are L2, as everywhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias
from uuid import UUID

import numpy as np

if TYPE_CHECKING:
    from recognition.engine.base import Face

Decision = Literal["known", "unknown", "unusable"]
# Why a sighting is unusable. Small faces, poor ones, pictures held up to the camera: no frame could be used. Ambiguous: two
# people are about as near. Disagreeing: the mean is near a person, the frames are not. Elsewhere: who it resembles stood beside
# it.
Reason = Literal[
    "face_too_small",
    "low_quality",
    "presentation_attack",
    "too_few_frames",
    "ambiguous",
    "frames_disagree",
    "identity_elsewhere",
]


@dataclass(frozen=True, slots=True)
class Limits:
    """How a camera decides.

    threshold: largest distance of the same person, of the gallery in force. min_frames: 1–10, usable frames before a name is
    given; with one or two the threshold is stricter (verdict.FEW_FRAMES_SHARE). min_face_px: the shorter side of a face that
    counts. margin: by how much a person must be nearer than the next, and a track than another that holds the name. Raises
    ValueError.
    """

    threshold: float
    min_frames: int = 3
    min_face_px: float = 48.0
    margin: float = 0.03

    def __post_init__(self) -> None:
        if not 1 <= self.min_frames <= 10:
            raise ValueError("min_frames must be 1 to 10")
        if not (self.threshold > 0 and self.min_face_px >= 0 and self.margin >= 0):
            raise ValueError("threshold must be positive, min_face_px and margin must not be negative")


class Match(Protocol):
    """A person proposed for a probe, such as gallery.search.query.Match."""

    @property
    def identity_id(self) -> UUID: ...

    @property
    def distance(self) -> float: ...


# Takes float32 (n, dim); returns for each the nearest people, nearest first. The runner-up is needed, for the margin.
Search: TypeAlias = Callable[[np.ndarray], Sequence[Sequence[Match]]]


@dataclass(frozen=True, slots=True)
class SeenFace:
    """A face in a frame. frame: the number that the frame was given. weight: how much its vector counts, 0–1; 0 for a face
    that cannot be used."""

    face: "Face"
    frame: int
    at: float
    weight: float


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody seen by a camera, from the first to the last frame, as it stands at an event.

    number: its own among the sightings of a Decider; track: of its track, which has several if its name was corrected.
    identity_id: if known. reason: if unusable. distance: to the nearest person in the gallery, of the mean and with a share of
    the spread (verdict.SPREAD_SHARE); None if nobody was searched for or the gallery is empty. margin: second distance minus
    first. threshold: that was applied. frames: with a face, usable or not. faces: the best three, or the best one of those that
    cannot be used. mean: float32 (dim,), of the best usable frames; None if there is none. beside: the tracks that had a face
    in one of its frames: other people.
    """

    number: int
    track: int
    decision: Decision
    identity_id: UUID | None
    reason: Reason | None
    distance: float | None
    margin: float | None
    threshold: float
    frames: int
    first_seen: float
    last_seen: float
    faces: tuple[SeenFace, ...]
    mean: np.ndarray | None
    beside: frozenset[int]


@dataclass(frozen=True, slots=True)
class Opened:
    """It is decided who this is. An unusable sighting opens when it ends."""

    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Progressed:
    """Still there; every PROGRESS seconds."""

    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Corrected:
    """The decision was wrong: `closed` is over, `sighting` goes on in its place."""

    closed: Sighting
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Ended:
    sighting: Sighting


Event: TypeAlias = Opened | Progressed | Corrected | Ended
