"""Error rates against plain counting, and advice that is careful when there is little data."""

import numpy as np
import pytest

from recognition.lab.evaluation import calibration
from recognition.lab.evaluation.calibration import FEWEST_ERRORS, advise, compare, errors_allowed, rates
from recognition.lab.evaluation.neighbours import Faces


def gallery(people: int, each: int, *, seed: int = 0, dim: int = 12) -> Faces:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(people, 1, dim))
    vectors = centres + 0.3 * random.normal(size=(people, each, dim))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return Faces(np.repeat(np.arange(people), each), vectors.reshape(-1, dim).astype("float32"))


@pytest.fixture(params=[5, 512], ids=["small blocks", "one block"])
def rows(request, monkeypatch):
    monkeypatch.setattr(calibration, "ROWS", request.param)


def test_every_comparison_is_counted_once(rows):
    faces = gallery(12, 4)
    seen = []
    found = compare(faces, progress=seen.append)
    assert seen[-1] == 48
    distances = np.linalg.norm(faces.vectors[:, None] - faces.vectors[None], axis=2)
    same = faces.people[:, None] == faces.people[None]
    first = np.triu(np.ones_like(same), 1)
    assert found.genuine_pairs.sum() == (first & same).sum() == 12 * 6
    assert found.impostor_pairs.sum() == (first & ~same).sum()
    best = np.stack([distances[:, faces.range_of(person)].min(1) for person in range(12)], axis=1)
    strangers = best[faces.people[:, None] != np.arange(12)[None]]
    assert found.impostors == len(strangers) == 48 * 11
    assert found.tail == pytest.approx(np.sort(strangers), abs=1e-3)
    own = np.where(same & ~np.eye(48, dtype=bool), distances, np.inf).min(1)
    assert found.own == pytest.approx(own, abs=1e-3)
    for row in rates(found)[::7]:
        at = row["distance"]
        assert row["far_pairs"] == pytest.approx((distances[first & ~same] < at).mean(), abs=2e-3)
        assert row["frr_pairs"] == pytest.approx((distances[first & same] >= at).mean(), abs=2e-2)
        assert row["far"] == pytest.approx((strangers < at).mean(), abs=4e-3)
        assert row["frr"] == pytest.approx((own >= at).mean(), abs=5e-2)


def test_of_very_many_comparisons_the_nearest_are_kept(rows, monkeypatch):
    whole = compare(gallery(12, 4)).tail
    monkeypatch.setattr(calibration, "TAIL_LENGTH", 50)
    assert compare(gallery(12, 4)).tail == pytest.approx(whole[:50])


# The exact limits of a Poisson mean at 95 %: 3.00 for no event, 4.74 for one, 40.69 for thirty.
@pytest.mark.parametrize(
    ("expected", "allowed"), [(0, None), (2.99, None), (3.0, 0), (4.74, 0), (4.75, 1), (40.6, 29), (40.7, 30)]
)
def test_how_many_errors_may_be_seen(expected, allowed):
    assert errors_allowed(expected) == allowed


def test_very_many_expected_errors_do_not_overflow():
    assert 9_800 < errors_allowed(10_000) < 9_900


def test_the_advice_keeps_the_wanted_rate_among_the_faces_it_comes_from():
    found = compare(gallery(100, 4))
    advice = advise(found, [0.05, 0.2], people=100, loosest=2, everybody=True)
    assert [row.fpir for row in advice] == [0.05, 0.2]
    for row in advice:
        assert row.far == pytest.approx(1 - (1 - row.fpir) ** (1 / 100))
        assert FEWEST_ERRORS < row.expected_errors <= row.far * found.impostors
        assert row.distance == row.low <= row.estimate <= row.high
        assert (found.tail <= row.distance).sum() <= (found.tail <= row.estimate).sum() <= row.far * found.impostors
        assert row.seen_fpir <= row.fpir
        assert 0 <= row.frr_low <= row.frr <= row.frr_high <= 1
    assert advice[0].distance <= advice[1].distance
    assert advise(found, [0.2], people=100, loosest=2, everybody=True)[0] == advice[1]  # the same at every run


def test_never_looser_than_for_two_photos():
    [row] = advise(compare(gallery(60, 6)), [0.1], people=60, loosest=0.3, everybody=False)
    assert (row.distance, row.capped, row.seen_fpir) == (0.3, True, None)


def test_too_little_to_advise():
    small, few = compare(gallery(30, 2)), compare(gallery(19, 20))
    [row] = advise(small, [0.01], people=30, loosest=2, everybody=True)
    assert (row.distance, row.needed_people) == (None, None)
    assert row.needed_faces >= 300  # the rule of three
    [row] = advise(few, [0.1], people=19, loosest=2, everybody=True)
    assert (row.distance, row.needed_people) == (None, 20)


def test_as_many_faces_as_it_asks_for_are_enough():
    [row] = advise(compare(gallery(30, 2)), [0.05], people=30, loosest=2, everybody=True)
    assert row.distance is None
    people = row.needed_faces  # two faces each: with more people the FAR may be less
    [enough] = advise(compare(gallery(people, 2)), [0.05], people=people, loosest=2, everybody=True)
    assert enough.distance is not None


def test_comparisons_that_share_people_count_for_less():
    """Ten photos that are copies of each other say no more than one."""
    once, copied = gallery(150, 1), gallery(150, 1)
    copied = Faces(np.repeat(copied.people, 10), np.repeat(copied.vectors, 10, axis=0))
    [few] = advise(compare(once), [0.1], people=150, loosest=2, everybody=True)
    [many] = advise(compare(copied), [0.1], people=150, loosest=2, everybody=True)
    assert many.expected_errors == pytest.approx(few.expected_errors, rel=0.5)


def test_people_with_one_face_leave_the_misses_unknown():
    [row] = advise(compare(gallery(400, 1)), [0.05], people=400, loosest=2, everybody=True)
    assert row.distance and row.frr is row.frr_low is row.frr_high is None
