import numpy as np
import pytest

from recognition.tracking.base import Limits
from recognition.tracking.tracks import KEPT, Tracker
from tests.recognition.tracking.made_up import THRESHOLD, between, face, off, person


class Followed:
    """A tracker whose frames come four times a second. tracks: the numbers of each frame's faces."""

    def __init__(self, min_face_px: float = 48):
        self.tracker = Tracker(Limits(THRESHOLD, min_face_px=min_face_px))
        self.at, self.frame, self.tracks = 1000.0, 0, []

    def see(self, *faces, after=0.25):
        self.at, self.frame = self.at + after, self.frame + 1
        step = self.tracker.update(faces, frame=self.frame, at=self.at)
        self.tracks.append([track.number for track in step.seen])
        return step


def test_two_people_who_cross_keep_their_tracks():
    followed = Followed()
    for k in range(20):
        followed.see(face(person(0), 100 + 50 * k), face(person(1), 1050 - 50 * k, 110))
    assert followed.tracks == [[1, 2]] * 20


def test_two_who_cannot_be_told_apart_by_vectors_are_by_their_speed():
    """Neither face is good enough to be compared. They are nearest to each other's place when they cross."""
    followed = Followed()
    for k in range(20):
        left, right = (face(person(0), x, 100, usable=False) for x in (100 + 40 * k, 840 - 40 * k))
        followed.see(*((left, right) if k % 2 else (right, left)))
    assert followed.tracks == [[1, 2], [2, 1]] * 10


def test_alike_faces_that_stand_between_are_told_by_their_vectors():
    """Two jump to a place in the middle: what counts is who is who."""
    followed = Followed()
    followed.see(face(person(0), 100), face(off(person(0), 0.4), 200))
    followed.see(face(off(person(0), 0.4), 150), face(person(0), 152))
    assert followed.tracks == [[1, 2], [2, 1]]


def test_another_person_at_the_same_place_is_another_track():
    followed = Followed()
    followed.see(face(person(0)))
    followed.see(face(person(1)))
    followed.see(face(off(person(0), 1.24 * THRESHOLD)))
    followed.see(face(off(person(0), 2.6 * THRESHOLD)))  # of the mean
    assert followed.tracks == [[1], [2], [1], [3]]


def test_a_face_that_cannot_be_compared_has_no_veto():
    followed = Followed()
    followed.see(face(person(0), size=60))
    followed.see(face(person(1), size=60, usable=False))
    followed.see(face(person(1), size=47))
    assert followed.tracks == [[1], [1], [1]]


def test_who_walks_fast_is_known_again_from_afar_if_alike():
    followed = Followed()
    followed.see(face(person(0), 100))
    followed.see(face(off(person(0), 0.3), 380))
    followed.see(face(person(0), 660))
    assert followed.tracks == [[1], [1], [1]]
    followed = Followed()
    followed.see(face(person(0), 100))
    followed.see(face(off(person(0), 0.55), 380))
    assert followed.tracks == [[1], [2]]


@pytest.mark.parametrize("places", [(100, 190, 280, 190), (100, 190, 350, 480)])
def test_who_turns_round_is_found_where_they_were_and_who_goes_on_faster_where_they_should_be(places):
    followed = Followed()
    for x in places:
        followed.see(face(person(0), x, usable=False))
    assert followed.tracks == [[1]] * 4


@pytest.mark.parametrize("size", [45, 220])
def test_a_face_at_once_much_larger_or_smaller_is_another(size):
    followed = Followed()
    followed.see(face(person(0), size=100, usable=False))
    followed.see(face(person(0), 180, 180, size, usable=False))
    assert followed.tracks == [[1], [2]]


def test_a_face_that_fills_much_of_the_same_place_is_the_same_however_it_grew():
    followed = Followed()
    followed.see(face(person(0), size=100, usable=False))
    followed.see(face(person(0), 45, 45, 210, usable=False))
    assert followed.tracks == [[1], [1]]


@pytest.mark.parametrize(("hidden_for", "track"), [(1.9, 1), (2.1, 2)])
def test_a_track_outlasts_two_seconds_behind_a_pillar(hidden_for, track):
    followed = Followed()
    for x in (100, 150):
        followed.see(face(person(0), x))
    followed.see(after=hidden_for / 2)
    followed.see(face(person(0), 250), after=hidden_for / 2)
    assert followed.tracks[-1] == [track]


def test_a_track_ends_once_and_with_what_it_had():
    followed = Followed()
    followed.see(face(person(0)), face(person(1), 500))
    assert followed.see(face(person(0)), after=1.5).ended == []
    [ended] = followed.see(face(person(0)), after=1.0).ended
    assert (ended.number, ended.frames, ended.first_seen, ended.last_seen) == (2, 1, 1000.25, 1000.25)
    assert [track.number for track in followed.tracker.close().ended] == [1]
    assert followed.tracker.close().ended == []


def test_tracks_go_on_when_a_frame_is_analysed_every_two_seconds_only():
    followed = Followed()
    for _ in range(4):
        followed.see(face(person(0)), after=2.2)
    followed.see(face(person(0)), after=4.1)
    assert followed.tracks == [[1]] * 4 + [[2]]


@pytest.mark.parametrize(("step", "tracks"), [(-1.9, [1]), (-2.1, [2]), (-86400, [2]), (3600, [2])])
def test_a_clock_that_is_set_ends_all_tracks(step, tracks):
    followed = Followed()
    for _ in range(3):
        followed.see(face(person(0)))
    ended = followed.see(face(person(0)), after=step).ended
    assert followed.tracks[-1] == tracks
    assert len(ended) == len(tracks) * (tracks != [1])
    followed.see(face(person(0)))
    assert followed.tracks[-1] == tracks
    assert all(track.first_seen <= track.last_seen for track in [*ended, *followed.tracker.tracks])


def test_the_best_frames_are_kept_by_quality_and_size():
    followed = Followed(min_face_px=80)
    for k in range(12):
        followed.see(face(person(0), size=100 + k, quality=0.5 + 0.04 * (k % 6)))
    followed.see(face(person(0), size=79, quality=1.0))
    followed.see(face(person(0), usable=False, quality=1.0))
    [track] = followed.tracker.tracks
    assert (track.frames, track.usable, len(track.best)) == (14, 12, KEPT)
    assert [seen.frame for seen in track.shown] == [12, 6, 11]
    assert track.best[0].weight == pytest.approx(0.7 * 111 / 112)
    assert track.glimpse.frame == 13


def test_a_mean_is_as_long_as_its_vectors():
    followed = Followed()
    for vector in (person(0), between(0, 1, 0.2), 1.2 * person(0)):
        followed.see(face(vector.astype("float32")))
    [track] = followed.tracker.tracks
    lengths = [np.linalg.norm(seen.face.embedding) for seen in track.best]
    assert np.linalg.norm(track.mean) == pytest.approx(np.mean(lengths), rel=1e-5)
    assert track.mean.dtype == "float32"


def test_vectors_that_cancel_out_make_no_nan():
    followed = Followed()
    followed.tracker.limits = Limits(5.0)
    followed.see(face(person(0)))
    followed.see(face(-person(0)))
    [track] = followed.tracker.tracks
    assert track.usable == 2 and np.isfinite(track.mean).all()
