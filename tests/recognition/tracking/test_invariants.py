"""What holds whatever passes the camera: made-up crowds of look-alikes, strangers, jumps, gaps and clocks that are set."""

import itertools
from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from recognition.tracking.base import Corrected, Ended, Limits, Opened, Progressed
from recognition.tracking.cases import MOST_SEARCHES
from tests.recognition.tracking.made_up import THRESHOLD, Camera, Gallery, between, face, off, person

# Two sisters, somebody between them, somebody near one of them, others, and two strangers.
LOOKS = [between(0, 1, share) for share in (0.0, 0.25, 0.12)] + [
    off(person(0), 0.3, 2),
    person(3),
    person(4),
    person(5),
]
ENROLLED = (0, 1, 4)

glances = st.tuples(
    st.integers(0, len(LOOKS) - 1),
    st.integers(0, 5),  # place, one beside the other
    st.sampled_from([0.02, 0.1, 0.3, 0.6, 0.9]),  # quality
    st.sampled_from([100.0, 100.0, 130.0, 40.0]),  # size
    st.floats(0, 0.2),  # how far off
)
frames = st.tuples(
    st.lists(glances, max_size=4),
    st.integers(1, 6),  # how often it is seen
    st.sampled_from([0.25, 0.25, 0.25, 0.5, 1.9, 2.5, -1.0, -5.0]),  # seconds after the one before
)


@examples(max_examples=120, deadline=None)
@given(st.lists(frames, min_size=1, max_size=14), st.sampled_from([1, 2, 3, 6, 10]))
def test_whatever_passes(passing, min_frames):
    gallery = Gallery()
    for look in ENROLLED:
        gallery.enrol(LOOKS[look])
    camera = Camera(gallery.search, Limits(THRESHOLD, min_frames=min_frames))
    searches = len(gallery.calls)
    for seen, times, after in passing:
        faces = [
            face(off(LOOKS[look], away, 7), 150 * place, size=size, quality=quality)
            for look, place, quality, size, away in seen
        ]
        for _ in range(times):
            camera.see(*faces, every=after)
            names = [name for name in camera.names() if name]
            assert len(names) == len(set(names)), "two in one frame have one name"
            searches_now = len(gallery.calls)
            assert searches_now - searches <= 2 * len(camera.watch.shown) + 8
            searches = searches_now
    camera.close()
    histories = told_of_each_track(camera.events)
    assert len(gallery.calls) <= MOST_SEARCHES * len(histories)
    for history in histories.values():
        check_order(history)
    for sighting in (event.sighting for event in camera.events):
        check_sighting(sighting, min_frames)
    check_neighbours(histories)


def told_of_each_track(events):
    told = defaultdict(list)
    for event in events:
        told[event.sighting.track].append(event)
    return told


def check_order(history):
    """Each track is opened once, ended once, and its sightings follow each other."""
    assert isinstance(history[0], Opened) and isinstance(history[-1], Ended)
    assert all(isinstance(event, Progressed | Corrected) for event in history[1:-1])
    for before, event in itertools.pairwise(history):
        current = event.closed if isinstance(event, Corrected) else event.sighting
        assert current.number == before.sighting.number
        assert (current.decision, current.identity_id) == (before.sighting.decision, before.sighting.identity_id)
        assert event.sighting.last_seen >= before.sighting.last_seen
        if isinstance(event, Corrected):
            assert event.sighting.number > event.closed.number


def check_sighting(sighting, min_frames):
    assert (sighting.identity_id is not None) == (sighting.decision == "known")
    assert (sighting.reason is not None) == (sighting.decision == "unusable")
    assert sighting.first_seen <= sighting.last_seen and sighting.frames >= 1
    assert 1 <= len(sighting.faces) <= 3
    assert sighting.track not in sighting.beside
    if sighting.decision == "known":
        assert sighting.distance <= sighting.threshold <= THRESHOLD
        assert sighting.margin is None or sighting.margin >= 0.03
    if sighting.decision == "unknown":
        assert sighting.distance > THRESHOLD
    if sighting.mean is not None:
        assert np.isfinite(sighting.mean).all()


def check_neighbours(histories):
    """Of two tracks that were in one frame, the last words never give one name."""
    last = {track: history[-1].sighting for track, history in histories.items()}
    for sighting in last.values():
        for other in sighting.beside:
            assert sighting.identity_id is None or sighting.identity_id != last[other].identity_id
