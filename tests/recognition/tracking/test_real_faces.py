"""Real faces through the real engine: half of forty people are enrolled with one photo, and all pass a bad camera.

pytest -s tests/recognition/tracking/test_real_faces.py    prints the figures of docs/performance.md
"""

import numpy as np
import pytest

from recognition.tracking.base import Ended, Limits
from recognition.tracking.clustering import find_merges, joined, nearest_person
from recognition.tracking.vectors import mean_vector
from recognition.tracking.watch import Watch
from tests.recognition.tracking.made_up import Gallery
from tests.recognition.tracking.passers_by import HEIGHT, PEOPLE, WIDTH, Passing, enrol

DRAWS = 10  # of who is enrolled
FRAMES_OF_A_VISIT = 2


@pytest.fixture(scope="module")
def enrolled(pipeline, orl) -> dict[int, np.ndarray]:
    return enrol(pipeline, orl, range(1, PEOPLE + 1))


def outcome(passings: list[Passing], known: dict[int, np.ndarray], limits: Limits, frames: int) -> dict[str, int]:
    """How many tracks of enrolled people were named right, wrongly or not, and of strangers were named."""
    gallery = Gallery()
    names = {gallery.enrol(vector): person for person, vector in known.items()}
    counts = dict.fromkeys(("right", "wrong", "missed", "strangers named", "strangers unknown"), 0)
    for passing in passings:
        for ended in watched(passing, gallery, limits, frames):
            face = ended.sighting.faces[0].face
            person = passing.person_at(face.box.x + face.box.width / 2)
            name = names.get(ended.sighting.identity_id)
            if person in known:
                counts["right" if name == person else "wrong" if name else "missed"] += 1
            else:
                counts["strangers named"] += name is not None
                counts["strangers unknown"] += ended.sighting.decision == "unknown"
    return counts


def watched(passing: Passing, gallery: Gallery, limits: Limits, frames: int) -> list[Ended]:
    watch = Watch(search=gallery.search, limits=limits)
    events = []
    for number, faces in enumerate(passing.frames[:frames]):
        events += watch.see(faces, frame=number, at=number / 4, width=WIDTH, height=HEIGHT)
    events += watch.close()
    return [event for event in events if isinstance(event, Ended)]


def outcomes(passings, pipeline, enrolled, *, frames: int, min_frames: int = 3) -> dict[str, float]:
    """Shares of the tracks in all draws."""
    limits = Limits(pipeline.manifest.size_threshold(PEOPLE // 2).distance, min_frames=min_frames)
    random = np.random.default_rng(5)
    total: dict[str, int] = {}
    for _ in range(DRAWS):
        known = {person: enrolled[person] for person in random.permutation(list(enrolled))[: PEOPLE // 2].tolist()}
        counts = outcome(passings, known, limits, frames)
        assert counts["right"] + counts["wrong"] + counts["missed"] <= len(known)  # nobody has two tracks
        total = {name: total.get(name, 0) + count for name, count in counts.items()}
    shares = {name: round(count / (DRAWS * PEOPLE // 2), 3) for name, count in total.items()}
    print(f"{frames} frames:", shares)
    return shares


@pytest.mark.parametrize(("frames", "min_frames", "right"), [(1, 1, 0.5), (3, 3, 0.9), (5, 3, 0.97), (8, 3, 0.99)])
def test_no_stranger_is_named_and_who_is_enrolled_is(pipeline, passings, enrolled, frames, min_frames, right):
    shares = outcomes(passings, pipeline, enrolled, frames=frames, min_frames=min_frames)
    assert shares["strangers named"] == shares["wrong"] == 0
    assert shares["right"] >= right


def test_the_mean_alone_would_name_strangers(pipeline, passings, enrolled, monkeypatch):
    monkeypatch.setattr("recognition.tracking.verdict.SPREAD_SHARE", 0)
    assert outcomes(passings, pipeline, enrolled, frames=8)["strangers named"] > 0.01


# --- Unknown people ---
def test_visits_of_unknown_people_are_put_together_by_person(pipeline, passings):
    """Everybody comes four times, in any order."""
    threshold = pipeline.manifest.size_threshold(PEOPLE).distance
    visits = [(person, mean) for passing in passings for person, mean in visits_of(passing)]
    figures = [put_together(visits, threshold, np.random.default_rng(seed)) for seed in range(5)]
    print("BCubed precision, recall, people:", np.round(np.mean(figures, 0), 3))
    precision, recall, _ = np.mean(figures, 0)
    assert precision >= 0.97
    assert recall >= 0.93


def visits_of(passing: Passing) -> list[tuple[int, np.ndarray]]:
    visits = []
    for start in range(0, len(passing.frames), FRAMES_OF_A_VISIT):
        seen: dict[int, list] = {}
        for face in (face for frame in passing.frames[start : start + FRAMES_OF_A_VISIT] for face in frame):
            seen.setdefault(passing.person_at(face.box.x + face.box.width / 2), []).append(face)
        for person, faces in seen.items():
            vectors = np.stack([face.embedding for face in faces])
            visits.append((person, mean_vector(vectors, np.array([face.quality.score for face in faces]))))
    return visits


def put_together(visits: list[tuple[int, np.ndarray]], threshold: float, random) -> tuple[float, float, int]:
    """BCubed precision and recall, and how many people there seem to be."""
    visits = [visits[number] for number in random.permutation(len(visits))]
    centroids: list[np.ndarray] = []
    found: list[int] = []
    for _, mean in visits:
        nearest = nearest_person(mean, np.array(centroids), threshold)
        if nearest is None:
            centroids.append(mean)
            found.append(len(centroids) - 1)
        else:
            centroids[nearest] = joined(centroids[nearest], found.count(nearest), mean)
            found.append(nearest)
    places = np.array(found)
    merges, _ = find_merges(np.stack([mean for _, mean in visits]), places, threshold)
    for merge in merges:
        places[places == merge.merged] = merge.kept
    return *bcubed(places, np.array([person for person, _ in visits])), len(np.unique(places))


def bcubed(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Amigó et al., "A comparison of extrinsic clustering evaluation metrics", 2009."""
    together, same = found[:, None] == found, true[:, None] == true
    right = (together & same).sum(1)
    return float((right / together.sum(1)).mean()), float((right / same.sum(1)).mean())
