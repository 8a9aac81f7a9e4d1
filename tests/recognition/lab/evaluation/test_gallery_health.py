"""Errors planted in a clean gallery are found, and nothing else is reported."""

import numpy as np
import pytest

from recognition.lab.evaluation.gallery_health import Kind, Reason, diagnose, far_from
from recognition.lab.evaluation.neighbours import Faces, find_neighbours

LIMIT = 0.5
PEOPLE, EACH, DIM = 12, 6, 32


@pytest.fixture
def clean():
    """(labels, vectors): people 1.4 apart, their faces 0.2 to 0.3."""
    random = np.random.default_rng(3)
    centres = np.eye(DIM, dtype="float32")[:PEOPLE]
    vectors = np.repeat(centres, EACH, axis=0) + random.normal(0, 0.03, (PEOPLE * EACH, DIM))
    return np.repeat(np.arange(PEOPLE), EACH), vectors.astype("float32")


def findings(labels, vectors, *, poor=(), denials=None) -> list:
    """(kind, reason, person, face, other), by their places in the arrays given."""
    faces = Faces(labels, vectors)
    quality = np.where(np.isin(faces.order, poor), 0.2, 0.9)
    near = find_neighbours(faces, LIMIT, denials=denials or {})
    found = diagnose(faces, near, quality, np.isin(faces.order, poor), LIMIT)
    return [
        (
            finding.kind,
            finding.reason,
            int(faces.names[finding.person]),
            int(faces.order[finding.face]) if finding.kind == Kind.OUTLIER else None,
            None if finding.other is None or finding.reason == Reason.FAR else int(faces.names[finding.other]),
        )
        for finding in found
    ]


def test_a_clean_gallery_has_nothing(clean):
    assert findings(*clean) == []


def test_a_face_under_somebody_elses_name(clean):
    labels, vectors = clean
    labels[0] = 5
    assert findings(labels, vectors) == [(Kind.OUTLIER, Reason.LOOKS_LIKE_OTHER, 5, 0, 0)]


def test_two_faces_under_somebody_elses_name_are_two_people_in_one(clean):
    labels, vectors = clean
    labels[:2] = 5
    assert findings(labels, vectors) == [(Kind.WEAK, Reason.TWO_PEOPLE, 5, None, 0)]


def test_a_person_under_two_names(clean):
    labels, vectors = clean
    labels[:3] = 99
    assert findings(labels, vectors) == [(Kind.DUPLICATE, Reason.SAME_PERSON, 0, None, 99)]


def test_a_face_that_is_like_nobody(clean):
    labels, vectors = clean
    vectors[0] = np.eye(DIM)[20]
    assert findings(labels, vectors) == [(Kind.OUTLIER, Reason.FAR, 0, 0, None)]


def test_a_poor_face_beside_better_ones_and_only_poor_ones(clean):
    assert findings(*clean, poor=[0])[0][:4] == (Kind.OUTLIER, Reason.POOR, 0, 0)
    assert findings(*clean, poor=range(EACH)) == [(Kind.WEAK, Reason.POOR, 0, None, None)]


def test_people_who_are_hard_to_find(clean):
    labels, vectors = clean
    kept = np.r_[0, EACH : len(labels)]  # person 0 has one face
    vectors[EACH : 2 * EACH] = np.eye(DIM)[20 : 20 + EACH]  # person 1's are unlike each other
    assert findings(labels[kept], vectors[kept]) == [
        (Kind.WEAK, Reason.SINGLE, 0, None, None),
        (Kind.WEAK, Reason.NOT_FOUND, 1, None, None),
    ]


def test_not_x_is_honoured(clean):
    labels, vectors = clean
    labels[:3] = 99  # persons 0 and 99 are the same one
    twins = {0: vectors[:3], 12: vectors[3:6]}  # "not 0", "not 99": said of faces of the other
    assert Kind.DUPLICATE not in [row[0] for row in findings(labels, vectors, denials=twins)]
    face = findings(labels, vectors, denials={3: vectors[3 * EACH][None]})
    assert (Kind.OUTLIER, Reason.DENIED, 3, 3 * EACH) in [row[:4] for row in face]


def test_what_counts_as_unusually_far():
    assert far_from(np.full(5, 0.1), LIMIT) == LIMIT  # too few to know
    assert far_from(np.r_[np.linspace(0.1, 0.2, 21), np.inf], LIMIT) == pytest.approx(0.175 + 3 * 0.05)
    assert far_from(np.linspace(0.1, 1, 50), LIMIT) == LIMIT
