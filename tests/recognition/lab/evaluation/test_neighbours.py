"""The tiled search agrees with a plain one, with tiles so small that every border between tiles matters."""

import numpy as np
import pytest

from recognition.lab.evaluation import neighbours
from recognition.lab.evaluation.neighbours import Faces, find_neighbours

LIMIT = 2.6


@pytest.fixture(params=[(7, 11), (1024, 16_384)], ids=["small tiles", "one tile"])
def tiles(request, monkeypatch):
    monkeypatch.setattr(neighbours, "TILE_ROWS", request.param[0])
    monkeypatch.setattr(neighbours, "TILE_COLUMNS", request.param[1])


@pytest.fixture
def faces() -> Faces:
    random = np.random.default_rng(1)
    return Faces(random.integers(0, 15, 80), random.normal(size=(80, 6)).astype("float32"))


def plain(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    distances = np.linalg.norm(faces.vectors[:, None] - faces.vectors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return distances, faces.people[:, None] == faces.people[None]


def test_faces_are_ordered_by_person_and_keep_their_former_places():
    vectors = np.arange(10, dtype="float32").reshape(5, 2)
    faces = Faces(np.array([b"b", b"a", b"b", b"c", b"a"]), vectors)
    assert (faces.names.tolist(), faces.sizes.tolist()) == ([b"a", b"b", b"c"], [2, 2, 1])
    assert faces.order.tolist() == [1, 4, 0, 2, 3]
    assert (faces.vectors == vectors[faces.order]).all()
    assert faces.range_of(1) == slice(2, 4)


def test_the_nearest_of_the_person_and_of_others(faces, tiles):
    distances, same = plain(faces)
    seen = []
    near = find_neighbours(faces, LIMIT, denials={}, progress=seen.append)
    own, other = np.where(same, distances, np.inf), np.where(same, np.inf, distances)
    assert near.own == pytest.approx(own.min(1), abs=1e-3)
    assert near.other == pytest.approx(other.min(1), abs=1e-3)
    alone = np.isinf(near.own)
    assert (near.own_at[~alone] == own.argmin(1)[~alone]).all() and (near.own_at[alone] == -1).all()
    assert (near.other_at == other.argmin(1)).all()
    assert seen[-1] == 80 and not near.denied.any()


def test_who_else_is_within_the_limit(faces, tiles, monkeypatch):
    monkeypatch.setattr(neighbours, "CLOSE_PEOPLE", 15)
    distances, same = plain(faces)
    near = find_neighbours(faces, LIMIT, denials={})
    expected = {(face, int(faces.people[at])) for face, at in np.argwhere((distances <= LIMIT) & ~same).tolist()}
    assert len(expected) > 20
    assert {(face, int(faces.people[at])) for face, at in near.close.tolist()} == expected
    at = distances[near.close[:, 0], near.close[:, 1]]
    assert near.close_distance == pytest.approx(at, abs=1e-3)


def test_a_face_denied_to_somebody_is_not_taken_for_them(faces, tiles):
    distances, same = plain(faces)
    face, at = next((f, a) for f, a in np.argwhere((distances <= LIMIT) & ~same).tolist())
    person = int(faces.people[at])
    near = find_neighbours(faces, LIMIT, denials={person: faces.vectors[face][None]})
    assert (face, person) not in {(f, int(faces.people[a])) for f, a in near.close.tolist()}
    assert faces.people[near.other_at[face]] != person
    own = int(faces.range_of(person).start)
    near = find_neighbours(faces, LIMIT, denials={person: faces.vectors[own][None]})
    assert near.denied[own]


def test_faces_of_a_person_in_groups(tiles):
    lines = [[0, 0], [1, 0], [2, 0], [9, 9], [9, 8], [50, 50]]  # a chain, a pair, one alone
    near = find_neighbours(Faces(np.zeros(6), np.array(lines, "float32")), 1.0, denials={})
    assert near.group.tolist() == [0, 0, 0, 1, 1, 2]


def test_a_person_with_very_many_faces_is_not_grouped(monkeypatch):
    monkeypatch.setattr(neighbours, "LARGEST_GROUPED", 3)
    near = find_neighbours(Faces(np.zeros(5), np.eye(5, dtype="float32")), 1.0, denials={})
    assert near.group.tolist() == [0] * 5
