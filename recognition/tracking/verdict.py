"""What a search says about who a track is: one look, without memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias
from uuid import UUID

from recognition.tracking.base import Decision, Limits, Match, Reason

ENOUGH_TO_BE_UNKNOWN = 5  # usable frames
ENOUGH_AT_THE_END = 3
AGREEING = 2  # frames whose own nearest is the person that the mean is nearest to
FEW_FRAMES, FEW_FRAMES_SHARE = 2, 0.9  # up to so many frames, so much of the threshold
# Thresholds are measured on single faces. The mean of several is nearer to everybody, as what is random in them cancels out:
# one stranger in twenty was named. With half of the frames' variance added, strangers are as far away as the threshold takes
# them to be, and the people themselves are still found far more often than by one face (docs/performance.md).
SPREAD_SHARE = math.sqrt(0.5)
Subject: TypeAlias = tuple[Decision, UUID | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """See Sighting. Unusable: nothing can be said, or not yet."""

    decision: Decision
    threshold: float
    identity_id: UUID | None = None
    reason: Reason | None = None
    distance: float | None = None
    margin: float | None = None

    @property
    def subject(self) -> Subject:
        return self.decision, self.identity_id


def judge(
    found: Sequence[Sequence[Match]], *, spread: float, usable: int, limits: Limits, ended: bool = False
) -> Verdict:
    """found: of the mean, then of each of the best frames. spread: of these around the mean. usable: how many frames there
    were. ended: no more will come.

    Within the threshold a track is never unknown: it may be the person after all.
    """
    distances = [math.hypot(match.distance, SPREAD_SHARE * spread) for match in found[0][:2]]
    distance = distances[0] if distances else None
    margin = distances[1] - distances[0] if len(distances) == 2 else None
    threshold = limits.threshold * (FEW_FRAMES_SHARE if usable <= FEW_FRAMES else 1)
    verdict = partial(Verdict, threshold=threshold, distance=distance, margin=margin)
    if distance is None or distance > limits.threshold:
        enough = ENOUGH_AT_THE_END if ended else max(ENOUGH_TO_BE_UNKNOWN, limits.min_frames)
        return verdict("unknown") if usable >= enough else verdict("unusable", reason="too_few_frames")
    if usable < limits.min_frames or distance > threshold:
        return verdict("unusable", reason="too_few_frames")
    if margin is not None and margin < limits.margin:
        return verdict("unusable", reason="ambiguous")
    identity_id = found[0][0].identity_id
    agreeing = sum(bool(matches) and matches[0].identity_id == identity_id for matches in found[1:])
    if agreeing < min(AGREEING, usable):
        return verdict("unusable", reason="frames_disagree")
    return verdict("known", identity_id=identity_id)
