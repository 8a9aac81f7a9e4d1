"""What a camera sees: from the faces of its frames to events about sightings.

For each frame: MotionGate.look, with `Watch.tracking`; if it says so, the engine; then Watch.see with the faces, if any.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recognition.tracking.association import Row
from recognition.tracking.base import Event, Limits, Search
from recognition.tracking.deciding import Decider
from recognition.tracking.mask import Mask
from recognition.tracking.tracks import Step, Track, Tracker
from recognition.tracking.verdict import Verdict

if TYPE_CHECKING:
    from recognition.engine.base import Face


@dataclass(frozen=True, slots=True)
class Shown:
    """A face of the last frame, to be drawn. box: x, y, width, height, px. verdict: None while nothing is decided."""

    box: Row
    verdict: Verdict | None


class Watch:
    """Of one camera; not for several threads.

    It joins no sightings: whoever comes back after their track has ended is another sighting. Each track is told about, also
    one of a single frame without a usable face: what is worth keeping is the caller's to say.
    """

    def __init__(self, *, search: Search, limits: Limits, mask: Mask | None = None):
        """search: of the gallery; it may raise, see `see`."""
        self._mask = mask or Mask()
        self._tracker = Tracker(limits)
        self._decider = Decider(search, limits)
        self._seen: list[Track] = []

    def set_limits(self, limits: Limits) -> None:
        """For the frames to come, such as when the gallery's threshold moved."""
        self._tracker.limits = self._decider.limits = limits

    @property
    def tracking(self) -> bool:
        """Whether a track is open, so that every frame is to be analysed."""
        return bool(self._tracker.tracks)

    @property
    def shown(self) -> list[Shown]:
        return [Shown(track.box, self._decider.verdict(track)) for track in self._seen]

    def see(self, faces: Sequence["Face"], *, frame: int, at: float, width: int, height: int) -> list[Event]:
        """Takes the faces of an analysed frame, also if there are none, and returns what is new.

        frame: any number by which the caller knows it again in SeenFace. at: when it was taken. width, height: of it, px.
        Raises what `search` raises; the frame counts all the same, and its events come with the next one.
        """
        visible = [face for face in faces if not self._mask.hides(face.box, width, height)]
        return self._follow(self._tracker.update(visible, frame=frame, at=at))

    def close(self) -> list[Event]:
        """Ends all tracks, as the camera is lost or switched off. May be called again where `search` raised."""
        return self._follow(self._tracker.close())

    def _follow(self, step: Step) -> list[Event]:
        self._seen = step.seen
        return self._decider.update(step)
