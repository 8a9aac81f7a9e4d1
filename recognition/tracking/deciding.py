"""Decides who the tracks of a camera are, and tells about it in events.

    pending ──▶ known | unknown              a search was clear
    pending ──▶ unusable, and over           the track ended in doubt
    known | unknown ──▶ known | unknown      two later searches agreed on something else: corrected
    known ──▶ unusable                       another track beside it is clearly nearer to the person: corrected

Two tracks that had a face in one frame never have one name. It stays with the track that has it until another is nearer by
the margin; so does it where two named tracks first meet. Once that track is over, none that it met gets the name.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

from recognition.tracking.base import Corrected, Ended, Event, Limits, Opened, Progressed, Search
from recognition.tracking.cases import Case
from recognition.tracking.tracks import Step, Track
from recognition.tracking.verdict import Verdict

PROGRESS = 10.0  # seconds


class Decider:
    """Of one camera. search: of the gallery, with the runner-up; it may raise, then nothing is lost and the next step goes
    on."""

    def __init__(self, search: Search, limits: Limits):
        self.limits = limits
        self._search = search
        self._cases: dict[int, Case] = {}
        self._over: list[Case] = []
        self._events: list[Event] = []
        self._numbers = itertools.count(1)

    def update(self, step: Step) -> list[Event]:
        """Takes a step of the tracker's. Returns the events since the last one, in their order. Raises what `search` does."""
        self._over += [self._case(track) for track in step.ended]
        seen = [self._case(track) for track in step.seen]
        self._meet(seen)
        while self._over:
            self._end(self._over[0])
            self._over.pop(0)
        for case in seen:
            if case.evidence.is_due(case.track, self.limits):
                self._look(case)
        for case in seen:
            self._tell_progress(case)
        events, self._events = self._events, []
        return events

    def verdict(self, track: Track) -> Verdict | None:
        """What is decided about an open track; None if nothing yet."""
        case = self._cases.get(track.number)
        return case.verdict if case else None

    def _case(self, track: Track) -> Case:
        return self._cases.setdefault(track.number, Case(track))

    # --- Searching ---
    def _look(self, case: Case) -> None:
        """Searches. The first clear verdict counts at once; another one later only if the search after it agrees."""
        case.evidence.gather(case.track, self._search)
        verdict = case.evidence.verdict(self.limits, usable=case.track.usable)
        if verdict.decision == "unusable":
            return
        if case.verdict and verdict.subject == case.verdict.subject:
            case.verdict, case.challenge = verdict, None
        elif case.verdict and verdict.subject != case.challenge:
            case.challenge = verdict.subject
        elif verdict.identity_id is None or self._may_have(case, verdict):
            self._decide(case, verdict)

    def _decide(self, case: Case, verdict: Verdict) -> None:
        """Whoever beside it has the name loses it."""
        for rival in case.rivals(verdict.identity_id):
            self._take_name(rival)
        self._open(case, verdict)

    def _open(self, case: Case, verdict: Verdict) -> None:
        """Opens a sighting; where there is one, closes it first."""
        closed = case.sighting() if case.verdict else None
        case.begin_sighting(next(self._numbers), verdict)
        opened = case.sighting()
        self._events.append(Corrected(closed, opened) if closed else Opened(opened))

    # --- One name for one person ---
    def _meet(self, seen: Sequence[Case]) -> None:
        for one, other in itertools.combinations(seen, 2):
            if other not in one.met:
                one.meet(other)
                if one.identity_id and one.identity_id == other.identity_id:
                    self._settle(*sorted((one, other), key=lambda case: case.number))

    def _settle(self, holder: Case, challenger: Case) -> None:
        nearer = challenger.distance <= holder.distance - self.limits.margin
        self._take_name(holder if nearer else challenger)

    def _may_have(self, case: Case, verdict: Verdict) -> bool:
        """Whether nobody who was in one frame with it has the name, or it is clearly nearer to that person. What was said of
        a track that is over stays said."""
        assert verdict.distance is not None
        nearest = min((rival.distance for rival in case.rivals(verdict.identity_id)), default=math.inf)
        return verdict.identity_id not in case.taken and verdict.distance <= nearest - self.limits.margin

    def _take_name(self, case: Case) -> None:
        assert case.verdict is not None
        self._open(case, replace(case.verdict, decision="unusable", identity_id=None, reason="identity_elsewhere"))

    # --- Telling ---
    def _tell_progress(self, case: Case) -> None:
        if case.verdict and case.track.last_seen - case.told_at >= PROGRESS:
            case.told_at = case.track.last_seen
            self._events.append(Progressed(case.sighting()))

    def _end(self, case: Case) -> None:
        if case.verdict is None:
            self._decide_at_the_end(case)
        self._events.append(Ended(case.sighting()))
        case.leave()
        del self._cases[case.track.number]

    def _decide_at_the_end(self, case: Case) -> None:
        if case.evidence.is_due_at_the_end(case.track, self.limits):
            case.evidence.gather(case.track, self._search)
        verdict = case.evidence.verdict(self.limits, usable=case.track.usable, ended=True)
        if verdict.decision == "known" and not self._may_have(case, verdict):
            verdict = replace(verdict, decision="unusable", identity_id=None, reason="identity_elsewhere")
        if not case.track.usable:
            verdict = replace(verdict, reason=case.track.why_unusable(self.limits.min_face_px))
        self._decide(case, verdict)
