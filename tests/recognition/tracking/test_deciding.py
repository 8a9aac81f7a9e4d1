"""Who a track is, from the faces of made-up people at distances that are known exactly."""

from uuid import UUID

import numpy as np
import pytest

from recognition.tracking.base import Corrected, Ended, Limits, Opened, Progressed
from recognition.tracking.mask import Mask
from tests.recognition.tracking.made_up import LIMITS, THRESHOLD, Camera, Found, Gallery, between, face, off, person

DOOR = Limits(THRESHOLD, min_frames=1)


@pytest.fixture
def gallery():
    return Gallery()


@pytest.fixture
def anna(gallery):
    return gallery.enrol(person(0))


@pytest.fixture
def bert(gallery):
    return gallery.enrol(person(1))


@pytest.fixture
def camera(gallery, anna, bert):
    return Camera(gallery.search)


def kinds(events) -> list[type]:
    return [type(event) for event in events]


def test_a_known_person_is_named_at_the_third_frame(camera, anna):
    camera.see(face(off(person(0), 0.2)), times=2)
    assert camera.events == [] and camera.names() == [None]
    [opened] = camera.see(face(off(person(0), 0.2)))
    sighting = opened.sighting
    assert isinstance(opened, Opened)
    assert (sighting.decision, sighting.identity_id, sighting.reason) == ("known", anna, None)
    assert sighting.distance == pytest.approx(0.2, abs=1e-5)
    assert sighting.margin > 1 and sighting.threshold == THRESHOLD
    assert (sighting.frames, sighting.first_seen, sighting.last_seen) == (3, 1000.25, 1000.75)
    assert [seen.frame for seen in sighting.faces] == [1, 2, 3]
    assert camera.names() == [anna]


def test_a_search_asks_for_the_mean_and_the_three_best_frames_in_one_call(camera, gallery):
    looks = [(0.1, 0.7), (0.2, 0.9), (0.3, 0.8), (0.4, 0.6), (0.25, 0.75)]
    for distance, quality in looks:
        camera.see(face(off(person(0), distance), quality=quality))
    assert [len(probes) for probes in gallery.calls] == [4, 4]
    best = gallery.calls[1][1:, -1]
    assert best.tolist() == pytest.approx([0.2, 0.3, 0.25])
    assert gallery.calls[1].dtype == "float32"


def test_searches_are_few_however_long_somebody_stays(camera, gallery):
    camera.see(face(person(0)), times=50)
    assert len(gallery.calls) == 3
    for quality in np.geomspace(0.02, 1, 40):
        camera.see(face(person(0), 700, quality=quality))
    assert len(gallery.calls) == 3 + 6


def test_a_stranger_is_unknown_at_the_fifth_frame(camera):
    camera.see(face(person(5)), times=4)
    assert camera.events == []
    [opened] = camera.see(face(person(5)))
    assert (opened.sighting.decision, opened.sighting.identity_id) == ("unknown", None)
    assert opened.sighting.distance == pytest.approx(2**0.5)


@pytest.mark.parametrize(("frames", "decision"), [(2, "unusable"), (3, "unknown"), (4, "unknown")])
def test_a_stranger_who_leaves_early_is_unknown_from_three_frames_on(camera, frames, decision):
    camera.see(face(person(5)), times=frames)
    opened, ended = camera.close()
    assert (opened.sighting.decision, opened.sighting.frames) == (decision, frames)
    assert opened.sighting.reason == ("too_few_frames" if decision == "unusable" else None)
    assert ended == Ended(opened.sighting)


def test_an_empty_gallery_makes_everybody_unknown():
    camera = Camera()
    camera.see(face(person(0)), times=5)
    assert camera.decided() == [("unknown", None)]
    assert camera.events[0].sighting.distance is None


def test_the_only_person_of_a_gallery_needs_no_margin():
    gallery = Gallery()
    anna = gallery.enrol(person(0))
    camera = Camera(gallery.search)
    camera.see(face(person(0)), times=3)
    assert camera.decided() == [("known", anna)]
    assert camera.events[0].sighting.margin is None


# --- Doubt ---
def test_twins_are_not_told_apart_by_a_guess(gallery):
    for share in (0.0, 0.02):
        gallery.enrol(between(0, 1, share))
    camera = Camera(gallery.search)
    camera.see(face(off(between(0, 1, 0.01), 0.2)), times=30)
    camera.close()
    assert camera.decided() == [("unusable", None)]
    assert camera.events[0].sighting.reason == "ambiguous"


def test_frames_that_disagree_with_their_mean_name_nobody(gallery, anna, bert):
    """Three looks, each nearest to another person, whose mean is nearest to Anna."""
    gallery.enrol(person(2))
    camera = Camera(gallery.search, Limits(0.9, min_face_px=48))
    for vector in (0.9 * person(0), between(0, 1, 0.55), between(0, 2, 0.55)):
        camera.see(face(vector.astype("float32")))
    camera.close()
    assert camera.decided() == [("unusable", None)]
    assert camera.events[0].sighting.reason == "frames_disagree"
    assert camera.events[0].sighting.distance < 0.9


def test_a_mean_is_not_nearer_than_its_frames_allow(gallery, anna):
    """Every look of this stranger is beyond the threshold. Their mean alone is within it."""
    camera = Camera(gallery.search)
    for towards in (4, 5, 6, 7, 8):
        camera.see(face(off(off(person(0), 0.42, towards), 0.38)))
    assert np.linalg.norm(gallery.calls[-1][0] - person(0)) < THRESHOLD
    assert camera.decided() == [("unknown", None)]
    assert camera.events[0].sighting.distance > THRESHOLD


def test_within_the_threshold_nobody_is_unknown(gallery, anna):
    gallery.enrol(off(person(0), 0.02, towards=3))
    camera = Camera(gallery.search)
    camera.see(face(off(person(0), 0.4)), times=20)
    camera.close()
    assert camera.decided() == [("unusable", None)]


def test_with_more_frames_wanted_a_hasty_person_is_neither_named_nor_unknown(gallery, anna):
    camera = Camera(gallery.search, Limits(THRESHOLD, min_frames=10))
    camera.see(face(person(0), 100), face(person(5), 600), times=9)
    assert gallery.calls == []
    camera.close()
    assert camera.decided() == [("unusable", None), ("unknown", None)]
    camera.see(face(person(0)), times=10)
    assert camera.decided()[2:] == [("known", anna)]


def test_a_door_takes_one_frame_but_is_stricter(gallery, anna):
    camera = Camera(gallery.search, DOOR)
    camera.see(face(off(person(0), 0.44)))
    assert camera.decided() == [("known", anna)]
    assert camera.events[0].sighting.threshold == pytest.approx(0.45)
    camera = Camera(gallery.search, DOOR)
    camera.see(face(off(person(0), 0.46)))
    assert camera.decided() == []
    camera.see(face(off(person(0), 0.46)), times=2)
    assert camera.decided() == [("known", anna)]


def test_a_stranger_at_a_door_is_unknown_no_sooner(gallery, anna):
    camera = Camera(gallery.search, DOOR)
    camera.see(face(person(5)), times=4)
    assert camera.decided() == []
    camera.see(face(person(5)))
    assert camera.decided() == [("unknown", None)]


@pytest.mark.parametrize(
    ("poor", "reason"), [({"size": 40}, "face_too_small"), ({"usable": False, "quality": 0.1}, "low_quality")]
)
def test_faces_that_cannot_be_compared_are_kept_but_not_searched_for(camera, gallery, poor, reason):
    camera.see(face(person(0), **poor), times=6)
    camera.see(face(person(0), **poor | {"quality": 0.3}))
    assert camera.close()[1:] == [Ended(camera.events[0].sighting)]
    sighting = camera.events[0].sighting
    assert (sighting.decision, sighting.reason, sighting.mean, gallery.calls) == ("unusable", reason, None, [])
    assert sighting.frames == 7
    assert [(seen.weight, seen.frame) for seen in sighting.faces] == [(0.0, 1 if "size" in poor else 7)]


# --- Changes ---
@pytest.mark.parametrize(
    ("found", "decided"),
    [
        ("AAAAAA", "A"),
        ("ABBBBB", "AB"),
        ("ABABAB", "A"),
        ("ABCBCB", "A"),
        ("AB?B", "AB"),  # a doubt between them is no third opinion
        ("A?????", "A"),
        ("A--", "A"),  # before the fifth frame nobody is unknown
        ("A---", "A-"),
        ("AB-B-B", "A"),
        ("?ABB", "AB"),
        ("ABBAA", "ABA"),
        ("ABBA", "AB"),
    ],
)
def test_a_decision_changes_when_two_later_searches_agree(found, decided):
    """What each search finds: a person, - for nobody or ? for a doubt."""
    ids = {letter: UUID(int=number) for number, letter in enumerate("ABC", 1)}
    answers = iter(found)

    def search(probes):
        letter = next(answers)
        distances = {"-": (0.8, 0.9), "?": (0.3, 0.31)}.get(letter, (0.3, 0.9))
        first = ids.get(letter, ids["C"])
        other = next(one for one in ids.values() if one != first)
        return [[Found(first, distances[0]), Found(other, distances[1])] for _ in probes]

    camera = Camera(search)
    camera.see(face(person(0), quality=0.05), times=3)
    for number in range(1, len(found)):
        camera.see(face(person(0), quality=0.05 * 1.5**number))
    expected = [("unknown", None) if letter == "-" else ("known", ids[letter]) for letter in decided]
    assert camera.decided() == expected
    assert next(answers, None) is None


def test_who_comes_near_is_named_rightly_after_all(gallery):
    """From afar they look like Anna; near, it is Bert."""
    anna, bert = gallery.enrol(person(0)), gallery.enrol(between(0, 1, 0.4))
    camera = Camera(gallery.search)
    camera.see(face(off(between(0, 1, 0.05), 0.1), quality=0.05), times=3)
    assert camera.decided() == [("known", anna)]
    told = [camera.see(face(off(between(0, 1, 0.4), 0.1), quality=quality)) for quality in (0.3, 0.5, 0.8)]
    assert told[:2] == [[], []]
    [corrected] = told[2]
    assert isinstance(corrected, Corrected)
    assert (corrected.closed.identity_id, corrected.sighting.identity_id) == (anna, bert)
    assert corrected.closed.number == camera.events[0].sighting.number != corrected.sighting.number
    assert corrected.closed.track == corrected.sighting.track
    assert corrected.closed.last_seen == corrected.sighting.first_seen
    assert corrected.sighting.frames == 1
    [ended] = camera.close()
    assert ended.sighting.number == corrected.sighting.number
    assert kinds(camera.events) == [Opened, Corrected, Ended]


def test_an_unknown_person_gets_a_name_when_two_better_looks_agree(gallery):
    anna = gallery.enrol(person(0))
    camera = Camera(gallery.search)
    camera.see(face(off(person(0), 0.55), quality=0.05), times=5)
    camera.see(face(off(person(0), 0.1), quality=0.2))
    assert camera.decided() == [("unknown", None)]
    camera.see(face(off(person(0), 0.1), quality=0.4))
    assert camera.decided() == [("unknown", None), ("known", anna)]


def test_somebody_who_stays_is_told_about_every_ten_seconds(camera, anna):
    camera.see(face(person(0)), times=100)
    assert kinds(camera.events) == [Opened, Progressed, Progressed]
    first, second = camera.events[1:]
    assert (first.sighting.last_seen, second.sighting.last_seen) == (1010.75, 1020.75)
    assert second.sighting.number == camera.events[0].sighting.number
    assert second.sighting.frames == 83


# --- One name for one person ---
def test_of_two_who_resemble_a_person_the_nearer_is_named(camera, anna):
    camera.see(face(off(person(0), 0.3, 4), 100), face(off(person(0), 0.1, 5), 600), times=10)
    assert camera.names() == [None, anna]
    corrected = [event for event in camera.events if isinstance(event, Corrected)]
    assert [(event.closed.identity_id, event.sighting.reason) for event in corrected] == [(anna, "identity_elsewhere")]


@pytest.mark.parametrize(("nearer_by", "named"), [(0.029, 0), (0.031, 1)])
def test_who_comes_later_must_be_clearly_nearer(camera, anna, nearer_by, named):
    first, second = face(off(person(0), 0.3, 4), 100), face(off(person(0), 0.3 - nearer_by, 5), 600)
    camera.see(first, times=4)
    camera.see(first, second, times=10)
    assert [name == anna for name in camera.names()] == [named == 0, named == 1]


@pytest.mark.parametrize(("nearer_by", "named"), [(0.029, 0), (0.031, 1)])
def test_where_two_named_tracks_first_meet_one_keeps_the_name(camera, anna, nearer_by, named):
    first, second = face(off(person(0), 0.3, 4), 100), face(off(person(0), 0.3 - nearer_by, 5), 900)
    camera.see(first, times=4)
    camera.see(second, times=4)
    assert camera.decided() == [("known", anna)] * 2
    camera.see(first, second)
    assert [name == anna for name in camera.names()] == [named == 0, named == 1]
    assert isinstance(camera.events[-1], Corrected)
    camera.see(first, second, times=20)
    assert kinds(camera.events).count(Corrected) == 1


def test_who_stood_beside_a_person_is_not_named_after_them_later(camera, anna):
    """Anna leaves. Her sister, whose track goes on, comes nearer and is looked at again."""
    sister = off(person(0), 0.25, 5)
    camera.see(face(person(0), 100), face(sister, 600, quality=0.1), times=6)
    camera.see(face(sister, 600, quality=0.1), times=12)
    for quality in (0.2, 0.4, 0.8):
        camera.see(face(sister, 600, quality=quality))
    assert [decision for decision, _ in camera.decided()] == ["known"]
    camera.close()
    assert camera.events[-1].sighting.reason == "identity_elsewhere"
    assert camera.events[-1].sighting.beside == {1}


def test_who_stood_beside_a_named_person_does_not_get_the_name_once_that_is_over_even_if_nearer(camera, anna):
    first, second = face(off(person(0), 0.3), 100), face(person(0), 600)
    camera.see(first, second, times=2)
    camera.see(first, face(person(0), 600, usable=False))
    camera.see(face(person(0), 600, usable=False), times=12)
    assert kinds(camera.events) == [Opened, Ended]
    camera.see(second, times=8)
    camera.close()
    assert camera.decided() == [("known", anna), ("unusable", None)]
    assert camera.events[-1].sighting.reason == "identity_elsewhere"


def test_a_person_whose_track_was_lost_is_named_again(camera, anna):
    """The first track is open for two more seconds, but was never in one frame with the second."""
    camera.see(face(person(0), 100), times=4)
    camera.see(face(person(0), 1000), times=4)
    assert camera.decided() == [("known", anna)] * 2
    camera.see(times=12)
    assert kinds(camera.events) == [Opened, Opened, Ended, Ended]


# --- What surrounds it ---
def test_faces_under_the_mask_are_nobody(gallery, anna):
    camera = Camera(gallery.search, mask=Mask([[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]))
    camera.see(face(person(0), 100), times=10)
    assert camera.events == [] and not camera.watch.tracking
    camera.see(face(person(0), 100), face(person(0), 900), times=10)
    assert camera.decided() == [("known", anna)] and camera.watch.tracking


def test_a_search_that_fails_loses_nothing(gallery, anna):
    failing = False

    def search(probes):
        if failing:
            raise ConnectionError("the database is gone")
        return gallery.search(probes)

    camera = Camera(search)
    camera.see(face(person(0), 100), face(person(5), 600), times=4)
    failing = True
    with pytest.raises(ConnectionError):
        camera.see(face(person(0), 100), face(person(5), 600))
    assert camera.see(every=1.5) == []
    for _ in range(2):
        with pytest.raises(ConnectionError):
            camera.see(every=1.5)
    failing = False
    camera.see()
    assert camera.decided() == [("known", anna), ("unknown", None)]
    assert kinds(camera.events) == [Opened, Ended, Opened, Ended]
    assert [event.sighting.last_seen for event in camera.events[1:]] == [1001.25] * 3


def test_a_threshold_that_is_set_anew_counts_from_then_on(camera, anna):
    camera.see(face(off(person(0), 0.4)), times=2)
    camera.watch.set_limits(Limits(0.3))
    camera.see(face(off(person(0), 0.4)), times=3)
    assert camera.decided() == [("unknown", None)]
    assert camera.events[0].sighting.threshold == 0.3


def test_a_clock_set_back_ends_every_sighting_and_opens_others(camera, anna):
    camera.see(face(person(0)), times=4)
    camera.see(face(person(0)), every=-3600)
    camera.see(face(person(0)), times=3)
    assert kinds(camera.events) == [Opened, Ended, Opened]
    assert camera.decided() == [("known", anna)] * 2


@pytest.mark.parametrize("wrong", [{"min_frames": 0}, {"min_frames": 11}, {"threshold": 0}, {"threshold": float("nan")},
                                   {"margin": -1}, {"min_face_px": -1}])  # fmt: skip
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        Limits(**{"threshold": LIMITS.threshold} | wrong)
