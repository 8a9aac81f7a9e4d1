"""What is known and decided about one track."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from recognition.tracking.base import Limits, Match, Search, Sighting
from recognition.tracking.tracks import Track
from recognition.tracking.verdict import ENOUGH_AT_THE_END, Subject, Verdict, judge

SEARCH_AT = (3, 5, 8)  # usable frames; the first time at `min_frames`
CLEARLY_BETTER = 1.3  # times the weight of the best frame at the last search
MOST_SEARCHES = 6
SEARCHED_FRAMES = 3  # the best ones, beside the mean


@dataclass(slots=True, eq=False)
class Evidence:
    """What the searches for a track found. usable, weight, spread: at the last one, how many usable frames there were, the
    weight of the best, and how far the best lay from their mean."""

    found: Sequence[Sequence[Match]] = ()
    searches: int = 0
    usable: int = 0
    weight: float = 0.0
    spread: float = 0.0

    def is_due(self, track: Track, limits: Limits) -> bool:
        """Whether to search again: at certain numbers of frames, and when a clearly better one came."""
        if self.searches == MOST_SEARCHES or track.usable < limits.min_frames or track.usable == self.usable:
            return False
        better = track.best[0].weight > CLEARLY_BETTER * self.weight
        return better or any(self.usable < frames <= track.usable for frames in SEARCH_AT)

    def is_due_at_the_end(self, track: Track, limits: Limits) -> bool:
        """Whether a last search can still decide."""
        enough = track.usable >= min(ENOUGH_AT_THE_END, limits.min_frames)
        return self.searches < MOST_SEARCHES and enough and track.usable > self.usable

    def gather(self, track: Track, search: Search) -> None:
        """Searches for the mean and the best frames, in one call."""
        assert track.mean is not None
        best = track.best[:SEARCHED_FRAMES]
        self.found = search(np.stack([track.mean, *(seen.face.embedding for seen in best)]).astype("float32"))
        self.searches += 1
        self.usable, self.weight, self.spread = track.usable, best[0].weight, track.spread

    def verdict(self, limits: Limits, *, usable: int, ended: bool = False) -> Verdict:
        if not self.found:
            return Verdict("unusable", limits.threshold, reason="too_few_frames")
        return judge(self.found, spread=self.spread, usable=usable, limits=limits, ended=ended)


@dataclass(slots=True, eq=False)
class Case:
    """verdict: in force, None until it is decided. challenge: what the last search said instead.

    number, since, frames_before, told_at: of the open sighting: its number, when it began, how many frames the track had before
    it, when it was last told about.

    met: the open cases that had a face in one frame with this one. beside: the tracks of all that had. taken: the names of
    those that are over.
    """

    track: Track
    evidence: Evidence = field(default_factory=Evidence)
    verdict: Verdict | None = None
    challenge: Subject | None = None
    number: int = 0
    since: float = 0.0
    frames_before: int = 0
    told_at: float = 0.0
    met: set["Case"] = field(default_factory=set)
    beside: set[int] = field(default_factory=set)
    taken: set[UUID] = field(default_factory=set)

    @property
    def identity_id(self) -> UUID | None:
        return self.verdict.identity_id if self.verdict else None

    @property
    def distance(self) -> float:
        """To the person it is named after; inf if to nobody."""
        return self.verdict.distance if self.verdict and self.verdict.distance is not None else np.inf

    def begin_sighting(self, number: int, verdict: Verdict) -> None:
        """The first one of a track began with it; a correction begins where it is made."""
        if self.verdict is None:
            self.since = self.track.first_seen
        else:
            self.since, self.frames_before = self.track.last_seen, self.track.frames - 1
        self.number, self.verdict, self.challenge = number, verdict, None
        self.told_at = self.track.last_seen

    def rivals(self, identity_id: UUID | None) -> list["Case"]:
        """Those it met that have this name."""
        return [case for case in self.met if identity_id and case.identity_id == identity_id]

    def meet(self, other: "Case") -> None:
        for one, another in ((self, other), (other, self)):
            one.met.add(another)
            one.beside.add(another.track.number)

    def leave(self) -> None:
        """The track is over. Those it met remember its name alone, not its faces."""
        for other in self.met:
            other.met.discard(self)
            if self.identity_id:
                other.taken.add(self.identity_id)

    def sighting(self) -> Sighting:
        """As it stands. Only once it has a verdict."""
        assert self.verdict is not None
        return Sighting(
            number=self.number,
            track=self.track.number,
            decision=self.verdict.decision,
            identity_id=self.verdict.identity_id,
            reason=self.verdict.reason,
            distance=self.verdict.distance,
            margin=self.verdict.margin,
            threshold=self.verdict.threshold,
            frames=self.track.frames - self.frames_before,
            first_seen=self.since,
            last_seen=self.track.last_seen,
            faces=self.track.shown,
            mean=self.track.mean,
            beside=frozenset(self.beside),
        )
