import numpy as np
import pytest

from recognition.tracking.clustering import Merge, find_merges, joined, nearest_person
from tests.recognition.tracking.made_up import off, person

T = 0.5


def rows(*vectors) -> np.ndarray:
    return np.stack(vectors).astype("float32")


def on_a_line(*places) -> np.ndarray:
    return np.array([[place, 0, 0] for place in places], "float32")


# --- Joining ---
def test_a_sighting_joins_the_nearest_person_if_near_enough():
    centroids = rows(person(0), person(1))
    assert nearest_person(off(person(1), 0.42), centroids, T) == 1
    assert nearest_person(off(person(1), 0.43), centroids, T) is None  # within the threshold, but not surely


def test_the_first_sighting_is_a_new_person():
    assert nearest_person(person(0), np.empty((0, 16), "float32"), T) is None
    assert nearest_person(person(0), np.empty(0, "float32"), T) is None


def test_a_forbidden_person_is_passed_over_for_the_next():
    centroids = rows(person(0), off(person(0), 0.1), person(1))
    assert nearest_person(person(0), centroids, T, forbidden={0}) == 1
    assert nearest_person(person(0), centroids, T, forbidden=[0, 1]) is None


def test_a_centroid_is_the_mean_of_its_sightings_and_no_shorter():
    sightings = [person(0), off(person(0), 0.3, 4), off(person(0), 0.3, 5)]
    centroid = sightings[0]
    for count, sighting in enumerate(sightings[1:], 1):
        centroid = joined(centroid, count, sighting)
    mean = np.mean(sightings, 0)
    assert np.linalg.norm(centroid) == pytest.approx(np.mean([np.linalg.norm(one) for one in sightings]), rel=1e-5)
    assert centroid @ mean / np.linalg.norm(centroid) / np.linalg.norm(mean) == pytest.approx(1, abs=1e-3)


# --- Merging ---
def test_near_people_are_merged_and_less_near_ones_suggested():
    vectors = on_a_line(0.0, 0.02, 0.4, 1.5, 1.97)
    people = np.array([0, 0, 1, 2, 3])
    done, suggested = find_merges(vectors, people, T)
    assert [(merge.kept, merge.merged) for merge in done] == [(0, 1)]
    assert done[0].distance == pytest.approx(0.39)
    assert [(merge.kept, merge.merged) for merge in suggested] == [(2, 3)]
    assert suggested[0].distance == pytest.approx(0.47, abs=1e-3)


def test_merges_are_by_the_mean_distance_so_a_chain_does_not_grow():
    done, suggested = find_merges(on_a_line(0, 0.39, 0.8, 1.2, 1.61), np.arange(5), T)
    assert [(merge.kept, merge.merged) for merge in done] == [(0, 1), (2, 3)]
    assert suggested == []


def test_what_was_merged_is_merged_on_and_the_oldest_is_kept():
    done, _ = find_merges(on_a_line(0.3, 0.2, 0.0), np.array([2, 1, 0]), T)
    assert [(merge.kept, merge.merged) for merge in done] == [(1, 2), (0, 1)]
    assert done[1].distance == pytest.approx(0.25)


def test_forbidden_people_are_never_merged_not_by_way_of_a_third_either():
    vectors = on_a_line(0, 0.05, 0.1)
    done, suggested = find_merges(vectors, np.arange(3), T, forbidden=[(0, 2)])
    assert [(merge.kept, merge.merged) for merge in done] == [(0, 1)]
    assert suggested == []


def test_no_people_and_one_person_have_no_merges():
    assert find_merges(np.empty((0, 3), "float32"), np.empty(0, int), T) == ([], [])
    assert find_merges(on_a_line(0, 0.1), np.array([0, 0]), T) == ([], [])


def test_merges_are_what_a_plain_computation_gives():
    """Compared with average link computed anew from all pairs after each merge."""
    random = np.random.default_rng(1)
    vectors = random.normal(size=(60, 4)).astype("float32") * 0.28
    people = np.concatenate([np.arange(30), random.integers(0, 30, 30)])
    done, suggested = find_merges(vectors, people, T, forbidden=[(0, 1), (2, 3)])
    members = {place: set(np.nonzero(people == place)[0]) for place in range(30)}
    apart = {frozenset((a, b)) for a in members[0] for b in members[1]}
    apart |= {frozenset((a, b)) for a in members[2] for b in members[3]}

    def distance(a: int, b: int) -> float:
        if any(frozenset((x, y)) in apart for x in members[a] for y in members[b]):
            return np.inf
        return float(np.mean([np.linalg.norm(vectors[x] - vectors[y]) for x in members[a] for y in members[b]]))

    def pairs() -> list[Merge]:
        found = [Merge(a, b, distance(a, b)) for a in members for b in members if a < b]
        return sorted(found, key=lambda merge: merge.distance)

    assert len(done) > 5 and suggested
    for merge in done:
        nearest = pairs()[0]
        assert (merge.kept, merge.merged) == (nearest.kept, nearest.merged)
        assert merge.distance == pytest.approx(nearest.distance, abs=1e-3)
        members[merge.kept] |= members.pop(merge.merged)
    left = [merge for merge in pairs() if merge.distance <= T]
    assert left[0].distance > 0.85 * T
    assert [(merge.kept, merge.merged) for merge in suggested] == [(merge.kept, merge.merged) for merge in left]


def test_blocks_change_nothing(monkeypatch):
    vectors = np.random.default_rng(2).normal(size=(50, 4)).astype("float32") * 0.4
    people = np.arange(50) % 20
    whole = find_merges(vectors, people, T)
    monkeypatch.setattr("recognition.tracking.clustering.BLOCK", 7)
    parts = find_merges(vectors, people, T)
    for one, other in zip(whole, parts, strict=True):
        assert [(m.kept, m.merged) for m in one] == [(m.kept, m.merged) for m in other]
