"""Made-up people before a made-up camera, without a network: a person is a direction, and each look at them is near it."""

from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from recognition.engine.base import Box, Crop, Face, Quality
from recognition.tracking.base import Corrected, Event, Limits, Opened
from recognition.tracking.watch import Watch

DIM = 16
THRESHOLD = 0.5
LIMITS = Limits(THRESHOLD)
SIZE = {"width": 1280, "height": 720}
NO_CROP = Crop(b"", 0, 0, np.zeros((5, 2), "float32"))


@dataclass(frozen=True)
class Found:
    identity_id: UUID
    distance: float


def person(number: int) -> np.ndarray:
    """Any two are √2 apart."""
    return np.eye(DIM, dtype="float32")[number]


def between(first: int, second: int, share: float = 0.5) -> np.ndarray:
    """Who lies between two people, on the way from the first to the second."""
    return ((1 - share) * person(first) + share * person(second)).astype("float32")


def off(vector: np.ndarray, distance: float, towards: int = DIM - 1) -> np.ndarray:
    return (vector + distance * person(towards)).astype("float32")


def face(
    vector: np.ndarray, x: float = 100, y: float = 100, size: float = 100, *, quality: float = 0.8, usable: bool = True
) -> Face:
    """size: px of its sides."""
    rated = Quality(quality, {}, () if usable else ("low_quality",), usable)
    return Face(Box(x, y, size, size), np.zeros((5, 2), "float32"), 0.99, rated, NO_CROP, vector)


@dataclass
class Gallery:
    """Who is enrolled. calls: the probes of each search."""

    people: dict[UUID, np.ndarray] = field(default_factory=dict)
    calls: list[np.ndarray] = field(default_factory=list)

    def enrol(self, vector: np.ndarray) -> UUID:
        identity_id = UUID(int=len(self.people) + 1)
        self.people[identity_id] = vector
        return identity_id

    def search(self, probes: np.ndarray) -> list[list[Found]]:
        self.calls.append(probes)
        return [
            sorted(
                (Found(identity, float(np.linalg.norm(probe - vector))) for identity, vector in self.people.items()),
                key=lambda found: found.distance,
            )[:2]
            for probe in probes
        ]


class Camera:
    """A watch whose frames come four times a second. events: all that it told."""

    def __init__(self, search=None, limits: Limits = LIMITS, **options):
        self.watch = Watch(search=search or Gallery().search, limits=limits, **options)
        self.events: list[Event] = []
        self.at, self.frame = 1000.0, 0

    def see(self, *faces: Face, times: int = 1, every: float = 0.25) -> list[Event]:
        """The same faces in so many frames. Returns what the last one told."""
        told: list[Event] = []
        for _ in range(times):
            self.at, self.frame = self.at + every, self.frame + 1
            told = self.watch.see(faces, frame=self.frame, at=self.at, **SIZE)
            self.events += told
        return told

    def close(self) -> list[Event]:
        told = self.watch.close()
        self.events += told
        return told

    def names(self) -> list[UUID | None]:
        """Of the faces of the last frame."""
        return [shown.verdict.identity_id if shown.verdict else None for shown in self.watch.shown]

    def decided(self) -> list[tuple[str, UUID | None]]:
        """The decisions of all sightings, as they were opened."""
        opened = [event.sighting for event in self.events if isinstance(event, Opened | Corrected)]
        return [(sighting.decision, sighting.identity_id) for sighting in opened]
