"""Finds the nearest other faces of each face of a gallery, of the same person and of others. No Django.

The search is exact, by matrix products in tiles. Distances are L2. Memory holds the vectors and one tile (TILE_ROWS x
TILE_COLUMNS); the time grows with the square of the number of faces.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

TILE_ROWS, TILE_COLUMNS = 1024, 16_384  # 64 MiB of distances at a time
CLOSE_PEOPLE = 8  # people kept per face and tile
LARGEST_GROUPED = 4096  # people with more faces are not grouped: the table needed has this number squared


class Faces:
    """A gallery's faces, ordered so that those of each person are together.

    names: the distinct labels given. people: (n,) int, ascending, the place of each face's person in `names`.
    order: (n,) int, where each face was in the arrays given. sizes: (people,), faces of each person.
    starts: (people + 1,), where each person's faces begin. vectors: float32 (n, dim).
    """

    def __init__(self, labels: np.ndarray, vectors: np.ndarray):
        """labels: (n,) of a sortable type, the person of each face; vectors: float32 (n, dim)."""
        self.names, numbers = np.unique(labels, return_inverse=True)
        self.order = np.argsort(numbers, kind="stable")
        self.people = numbers[self.order]
        self.sizes = np.bincount(numbers, minlength=len(self.names))
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)])
        n, dim = vectors.shape
        # [vector, its square, 1], so that one product with [-2 vector, 1, its square] gives the squared distances.
        self.padded = np.ones((n, dim + 2), "float32")
        self.padded[:, :dim] = vectors[self.order]
        self.padded[:, dim] = (self.padded[:, :dim] ** 2).sum(1)

    def __len__(self) -> int:
        return len(self.people)

    @property
    def vectors(self) -> np.ndarray:
        return self.padded[:, :-2]

    def range_of(self, person: int) -> slice:
        """Where the faces of a person are."""
        return slice(int(self.starts[person]), int(self.starts[person + 1]))

    def squares(self, probes: np.ndarray, to: slice, out: np.ndarray | None = None) -> np.ndarray:
        """Squared distances of `probes` (k, dim) to the faces `to`: float32 (k, m). Rounding may put some just below 0."""
        return np.matmul(padded_probes(probes), self.padded[to].T, out=out)


def padded_probes(vectors: np.ndarray) -> np.ndarray:
    """[-2 vector, 1, its square] (n, dim + 2): the other factor of the product with Faces.padded."""
    n = len(vectors)
    return np.hstack([-2 * vectors, np.ones((n, 1), "float32"), (vectors**2).sum(1, keepdims=True)])


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The neighbours of each face, (n,) each, in the order of Faces.

    own, own_at: distance and place of the nearest other face of the same person; inf and -1 if there is none.
    other, other_at: distance and place of the nearest face of another person.
    group: faces of a person that are within the limit of each other, directly or through others, share a number; the
    largest group has 0. denied: whether a face said not to be the person ("not X") is nearer than the person's own.
    close: (k, 2) int, a face and a face of another person within the limit, with `close_distance` (k,). Of each person the
    nearest face is given, for at most CLOSE_PEOPLE people per tile.
    """

    own: np.ndarray
    own_at: np.ndarray
    other: np.ndarray
    other_at: np.ndarray
    group: np.ndarray
    denied: np.ndarray
    close: np.ndarray
    close_distance: np.ndarray


def find_neighbours(
    faces: Faces, limit: float, *, denials: dict[int, np.ndarray], progress: Callable[[int], object] = lambda done: None
) -> Neighbours:
    """limit: the largest distance that counts as the same person.

    denials: person → vectors (k, dim) of faces that were said not to be that person. A face nearer to one of them than to
    the person's own is not taken for the person, as in a search. progress: called with how many faces are done.
    """
    n = len(faces)
    own, own_at, group = _within_people(faces, limit)
    denied = np.zeros(n, bool)
    for person, vectors in denials.items():
        rows = faces.range_of(person)
        denied[rows] = _nearest(padded_probes(faces.vectors[rows]), vectors) <= own[rows]
    other, other_at = np.full(n, np.inf, "float32"), np.full(n, -1)
    pairs, distances = [np.empty((0, 2), int)], [np.empty(0, "float32")]
    tile = np.empty((TILE_ROWS, min(TILE_COLUMNS, n)), "float32")
    for first in range(0, n, TILE_ROWS):
        rows = slice(first, min(first + TILE_ROWS, n))
        for at, squares in _tiles(faces, rows, denials, tile):
            nearest = squares.argmin(1)
            best = squares[np.arange(len(nearest)), nearest]
            better = best < other[rows]
            other[rows][better], other_at[rows][better] = best[better], nearest[better] + at
            for row in np.flatnonzero(best <= limit**2):
                columns, near = _close(squares[row], faces.people[at : at + squares.shape[1]], limit)
                pairs.append(np.stack([np.full(len(columns), first + row), columns + at], axis=1))
                distances.append(near)
        progress(rows.stop)
    return Neighbours(
        own, own_at, _root(other), other_at, group, denied, np.concatenate(pairs), _root(np.concatenate(distances))
    )


def _within_people(faces: Faces, limit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """own, own_at and group of Neighbours."""
    own, own_at = np.full(len(faces), np.inf, "float32"), np.full(len(faces), -1)
    group = np.zeros(len(faces), int)
    for person in np.flatnonzero(faces.sizes > 1):
        rows = faces.range_of(person)
        near = np.zeros((min(faces.sizes[person], LARGEST_GROUPED),) * 2, bool)
        for first in range(rows.start, rows.stop, TILE_ROWS):
            block = slice(first, min(first + TILE_ROWS, rows.stop))
            squares = faces.squares(faces.vectors[block], rows)
            squares[np.arange(len(squares)), np.arange(block.start, block.stop) - rows.start] = np.inf
            nearest = squares.argmin(1)
            own[block], own_at[block] = squares[np.arange(len(nearest)), nearest], nearest + rows.start
            place = block.start - rows.start
            part = near[place : place + len(squares)]
            part[:] = squares[: len(part), : near.shape[1]] <= limit**2
        if len(near) == faces.sizes[person]:
            group[rows] = _groups(near)
    return _root(own), own_at, group


def _groups(near: np.ndarray) -> np.ndarray:
    """Connected components of a symmetric relation: bool (m, m) → numbers (m,), 0 for the largest component."""
    m = len(near)
    labels = np.arange(m)
    np.fill_diagonal(near, True)
    while True:
        lowest = np.where(near, labels[None], m).min(1)
        if (lowest == labels).all():
            break
        labels = lowest
    _, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), int)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return rank[numbers]


def _tiles(
    faces: Faces, rows: slice, denials: dict[int, np.ndarray], tile: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Squared distances of `rows` to all faces, a tile of columns at a time; inf to faces of the same person and denied ones.

    Yields where the tile's columns begin, and the tile.
    """
    probes = padded_probes(faces.vectors[rows])
    denied = list(_denied_columns(faces, probes, denials))
    people = faces.people[rows]
    own_columns = slice(int(faces.starts[people[0]]), int(faces.starts[people[-1] + 1]))
    for at in range(0, len(faces), TILE_COLUMNS):
        columns = slice(at, min(at + TILE_COLUMNS, len(faces)))
        squares = np.matmul(probes, faces.padded[columns].T, out=tile[: len(probes), : columns.stop - at])
        low, high = max(own_columns.start, at), min(own_columns.stop, columns.stop)
        if low < high:
            squares[:, low - at : high - at][people[:, None] == faces.people[None, low:high]] = np.inf
        for denied_rows, person in denied:
            low, high = max(person.start, at), min(person.stop, columns.stop)
            if low < high:
                squares[denied_rows, low - at : high - at] = np.inf
        yield at, squares


def _denied_columns(
    faces: Faces, probes: np.ndarray, denials: dict[int, np.ndarray]
) -> Iterator[tuple[np.ndarray, slice]]:
    """For each person: rows of probes that are nearer to a denied face than to the person's own; the person's columns."""
    for person, vectors in denials.items():
        columns = faces.range_of(person)
        own = _root((probes @ faces.padded[columns].T).min(1))
        rows = np.flatnonzero(_nearest(probes, vectors) <= own)
        if len(rows):
            yield rows, columns


def _nearest(probes: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Distance of each padded probe to the nearest of `vectors` (k, dim)."""
    k = len(vectors)
    padded = np.hstack([vectors, (vectors**2).sum(1, keepdims=True), np.ones((k, 1), "float32")])
    return _root((probes @ padded.T).min(1))


def _close(squares: np.ndarray, people: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """From one face's row: the nearest column of each person within the limit, and the squared distances."""
    columns = np.flatnonzero(squares <= limit**2)
    columns = columns[np.argsort(squares[columns], kind="stable")]
    _, firsts = np.unique(people[columns], return_index=True)
    columns = columns[np.sort(firsts)[:CLOSE_PEOPLE]]
    return columns, squares[columns]


def _root(squares: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(squares, 0))
