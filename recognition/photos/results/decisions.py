"""Who a probe face is: known, unknown or unusable."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from gallery.search.query import Match, nearest_identities
from recognition.engine.base import Face
from recognition.photos.models import Decision


@dataclass(frozen=True, slots=True)
class Verdict:
    """A probe face's decision, its candidates (nearest first), and the margin: the second distance minus the first."""

    decision: Decision
    matches: Sequence[Match]
    margin: float | None

    @property
    def identity_id(self) -> UUID | None:
        """Who it is, if known."""
        return self.matches[0].identity_id if self.decision == Decision.KNOWN else None


def decide_all(faces: Sequence[Face], *, gallery_id: UUID, pack: str, threshold: float, top_k: int) -> list[Verdict]:
    """Decides each face, with one search for all usable ones. The runner-up is always fetched, for the margin.

    threshold: L2 distance. top_k: how many candidates to keep.
    """
    usable = [face for face in faces if face.quality.usable]
    probes = np.stack([face.embedding for face in usable]) if usable else np.empty((0, 0))
    matches = iter(nearest_identities(gallery_id=gallery_id, pack=pack, probes=probes, top_k=max(top_k, 2)))
    return [
        decide(next(matches), threshold, top_k) if face.quality.usable else Verdict(Decision.UNUSABLE, [], None)
        for face in faces
    ]


def decide(matches: Sequence[Match], threshold: float, top_k: int) -> Verdict:
    """Known if the nearest match is within the threshold, else unknown. A stranger's nearest matches stay candidates.

    matches: nearest first, with the runner-up even if top_k is 1, for the margin.
    """
    known = bool(matches) and matches[0].distance <= threshold
    margin = matches[1].distance - matches[0].distance if len(matches) > 1 else None
    return Verdict(Decision.KNOWN if known else Decision.UNKNOWN, matches[:top_k], margin)
