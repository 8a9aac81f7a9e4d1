"""Diagnoses what looks wrong in a gallery, from the nearest neighbours of each face. No Django.

A face is *found* if a search without it would recognise its person (leave-one-out): the person's nearest other face is
within the limit, nearer than anybody else's, and no face said not to be the person is nearer still.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from recognition.lab.evaluation.neighbours import Faces, Neighbours

FEWEST_FOR_QUARTILES = 20  # faces


class Kind(StrEnum):
    OUTLIER = "outlier"
    DUPLICATE = "duplicate"
    WEAK = "weak"


class Reason(StrEnum):
    LOOKS_LIKE_OTHER = "looks_like_other"
    DENIED = "denied"
    FAR = "far"
    SAME_PERSON = "same_person"
    TWO_PEOPLE = "two_people"
    NOT_FOUND = "not_found"
    POOR = "poor"
    SINGLE = "single"
    NO_FACE = "no_face"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something for a curator to look at. person, other: places in Faces.names. All faces are places in Faces.

    own_face, own_distance: the person's nearest other face. other_face, distance: a face of the other person. found, total:
    how many of the person's faces are found. faces: for a person who seems to be two, the faces of the second. rank: lower
    ones should be looked at first.
    """

    kind: Kind
    reason: Reason
    person: int
    rank: float
    face: int | None = None
    own_face: int | None = None
    other: int | None = None
    other_face: int | None = None
    distance: float | None = None
    own_distance: float | None = None
    found: int | None = None
    total: int | None = None
    faces: tuple[int, ...] = ()


def diagnose(faces: Faces, near: Neighbours, quality: np.ndarray, poor: np.ndarray, limit: float) -> list[Finding]:
    """All findings of a gallery.

    quality: float (n,), 0–1. poor: bool (n,), whether a face misses a quality bar. Both are in the order of `faces`.
    limit: that of `near`.
    """
    pairs = _Pairs(faces, near)
    duplicates = list(_duplicates(faces, pairs))
    duplicate_people = {frozenset((found.person, found.other)) for found in duplicates if found.other is not None}
    second_groups = _second_groups(faces, near)
    misplaced = _misplaced(faces, near, limit, duplicate_people, second_groups)
    # What a misplaced face or a person enrolled twice explains is not reported a second time.
    explained = {person for people in duplicate_people for person in people}
    wrong = np.concatenate([misplaced, np.flatnonzero(second_groups & (near.other_at >= 0))]).astype(int)
    drawn_to = {*faces.people[wrong].tolist(), *faces.people[near.other_at[wrong]].tolist()}
    weak = list(_weak(faces, near, pairs, second_groups, poor, explained | drawn_to, limit))
    explained |= {found.person for found in weak if found.reason == Reason.NOT_FOUND}
    reported = {*misplaced, *(face for found in weak for face in found.faces)}
    outliers = [_outlier(faces, near, face, Reason.LOOKS_LIKE_OTHER) for face in misplaced]
    for face in np.flatnonzero((near.own < np.inf) & (near.denied | (near.own > far_from(near.own, limit)))):
        if face not in reported and faces.people[face] not in explained:
            reason = Reason.DENIED if near.denied[face] else Reason.FAR
            outliers.append(_outlier(faces, near, int(face), reason))
            reported.add(face)
    poorer = [face for face in _poorer_than_others(faces, quality, poor) if face not in reported]
    outliers += [_outlier(faces, near, face, Reason.POOR) for face in poorer]
    return [*outliers, *duplicates, *weak]


def _second_groups(faces: Faces, near: Neighbours) -> np.ndarray:
    """bool (n,): whether a face is in its person's second group, if that has at least two faces."""
    second = np.bincount(faces.people, weights=near.group == 1, minlength=len(faces.sizes))
    return (near.group == 1) & (second[faces.people] >= 2)


def _misplaced(
    faces: Faces, near: Neighbours, limit: float, duplicates: set[frozenset[int]], second_groups: np.ndarray
) -> list[int]:
    """Faces that would be recognised as another person, because they are nearer to that one than to their own.

    If the nearest face is a suspect, too, only the one further from its own person is misplaced: it makes the other look
    wrong. Second groups are left out here, as they are misplaced as a whole.
    """
    nearer = (near.other <= limit) & (near.other < near.own) & (near.own < np.inf)
    suspects = set(np.flatnonzero(nearer & ~second_groups & ~second_groups[near.other_at]).tolist())
    return [
        face
        for face in sorted(suspects)
        if frozenset(faces.people[[face, near.other_at[face]]].tolist()) not in duplicates
        and not (near.other_at[face] in suspects and near.own[near.other_at[face]] > near.own[face])
    ]


def far_from(own: np.ndarray, limit: float) -> float:
    """The distance beyond which a face counts as far from its person's others: the limit, or less if that is unusual here.

    Unusual is more than three times the interquartile range above the upper quartile (Tukey, Exploratory Data Analysis,
    1977: "far out"). own: Neighbours.own.
    """
    finite = own[own < np.inf]
    if len(finite) < FEWEST_FOR_QUARTILES:
        return limit
    lower, upper = np.quantile(finite, [0.25, 0.75])
    return min(limit, float(upper + 3 * (upper - lower)))


def _poorer_than_others(faces: Faces, quality: np.ndarray, poor: np.ndarray) -> Iterator[int]:
    """Poor faces with less than half the median quality of their person's faces."""
    for face in np.flatnonzero(poor).tolist():
        rows = faces.range_of(faces.people[face])
        if 2 * quality[face] < np.median(quality[rows]) and not poor[rows].all():
            yield face


class _Pairs:
    """Pairs of people whose faces are within the limit of each other.

    matched: (person, other) → how many of the person's faces are near one of the other's.
    nearest: (person, other) → (distance, face, face of the other) of the nearest two.
    """

    def __init__(self, faces: Faces, near: Neighbours):
        self.matched: dict[tuple[int, int], int] = {}
        self.nearest: dict[tuple[int, int], tuple[float, int, int]] = {}
        seen = set()
        for (face, at), distance in zip(near.close.tolist(), near.close_distance.tolist(), strict=True):
            pair = (int(faces.people[face]), int(faces.people[at]))
            if (face, pair[1]) not in seen:
                seen.add((face, pair[1]))
                self.matched[pair] = self.matched.get(pair, 0) + 1
            if distance < self.nearest.get(pair, (np.inf,))[0]:
                self.nearest[pair] = (distance, face, at)


def _duplicates(faces: Faces, pairs: _Pairs) -> Iterator[Finding]:
    """Pairs of people who both have more than half of their faces near the other's."""
    for (person, other), count in pairs.matched.items():
        back = pairs.matched.get((other, person), 0)
        if person < other and 2 * count > faces.sizes[person] and 2 * back > faces.sizes[other]:
            distance, face, at = pairs.nearest[person, other]
            yield Finding(
                Kind.DUPLICATE,
                Reason.SAME_PERSON,
                person,
                rank=distance,
                face=face,
                other=other,
                other_face=at,
                distance=distance,
                found=count + back,
                total=int(faces.sizes[person] + faces.sizes[other]),
            )


def _outlier(faces: Faces, near: Neighbours, face: int, reason: Reason) -> Finding:
    """Ranked first if it looks like somebody else, last if it is poor; among equals by distance, the furthest first."""
    own, at = float(near.own[face]), int(near.other_at[face])
    return Finding(
        Kind.OUTLIER,
        reason,
        int(faces.people[face]),
        rank={Reason.LOOKS_LIKE_OTHER: 0, Reason.POOR: 20}.get(reason, 10) - own,
        face=face,
        own_face=int(near.own_at[face]),
        other=int(faces.people[at]) if at >= 0 else None,
        other_face=at if at >= 0 else None,
        distance=float(near.other[face]) if at >= 0 else None,
        own_distance=own,
    )


def _weak(
    faces: Faces,
    near: Neighbours,
    pairs: _Pairs,
    second_groups: np.ndarray,
    poor: np.ndarray,
    explained: set[int],
    limit: float,
) -> Iterator[Finding]:
    """explained: people with a finding that says why their faces are not found."""
    found = (near.own <= limit) & (near.own < near.other) & ~near.denied
    counts = np.bincount(faces.people, weights=found, minlength=len(faces.sizes)).astype(int)
    poor_counts = np.bincount(faces.people, weights=poor, minlength=len(faces.sizes)).astype(int)
    two_people = set(faces.people[second_groups].tolist())
    for person, size in enumerate(faces.sizes.tolist()):
        shared = {"person": person, "found": int(counts[person]), "total": size}
        if person in two_people:
            yield _two_people(faces, near, pairs, shared)
        elif size == 1:
            yield Finding(Kind.WEAK, Reason.SINGLE, rank=3 - poor_counts[person] / 2, **shared)
        elif 2 * counts[person] < size and person not in explained:
            yield Finding(Kind.WEAK, Reason.NOT_FOUND, rank=1 + counts[person] / size, **shared)
        elif poor_counts[person] == size:
            yield Finding(Kind.WEAK, Reason.POOR, rank=2, **shared)


def _two_people(faces: Faces, near: Neighbours, pairs: _Pairs, shared: dict) -> Finding:
    """Reports a person's second group, and whose faces these may be if most of them are near one other person's."""
    rows = faces.range_of(shared["person"])
    second = rows.start + np.flatnonzero(near.group[rows] == 1)
    alike = faces.people[near.close[np.isin(near.close[:, 0], second), 1]]
    first = rows.start + int(np.argmin(near.group[rows]))
    finding = {"faces": tuple(second.tolist()), "face": int(second[0]), "own_face": first, "rank": 0.0, **shared}
    if len(alike):
        other = int(np.bincount(alike).argmax())
        if 2 * (alike == other).sum() > len(second):
            distance, _, at = pairs.nearest[shared["person"], other]
            finding |= {"other": other, "other_face": at, "distance": distance}
    return Finding(Kind.WEAK, Reason.TWO_PEOPLE, **finding)
