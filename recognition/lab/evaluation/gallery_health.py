"""What looks wrong in a gallery, from whose faces lie nearest to each face. No Django.

A face is *found* where the others of its person would have it recognised: the nearest is within the limit, nearer than
anybody else's, and no face said not to be the person is nearer still (leave-one-out, as the search decides).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from recognition.lab.evaluation.neighbours import Faces, Neighbours

ENOUGH_TO_KNOW_THE_USUAL = 20  # faces


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
    """Something to look at. person, other: numbers in Faces.names; face, other_face, faces: places in Faces.

    own_face, own_distance: the nearest other face of the person. distance: to `other_face`. found of total: the person's faces
    that the others find. faces: those that belong together, of a person who seems to be two. Lower rank: look first.
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
    """quality: float (n,), 0–1, and poor: bool (n,), those that miss a bar of quality, both in the order of `faces`.

    limit: that of `near`.
    """
    pairs = _Pairs(faces, near)
    duplicates = list(_duplicates(faces, pairs))
    apart = _apart(faces, near)
    misplaced = _misplaced(faces, near, limit, {frozenset((found.person, found.other)) for found in duplicates}, apart)
    # What a misplaced face or a person enrolled twice explains is not reported as well.
    explained = {person for found in duplicates for person in (found.person, found.other)}
    wrong = np.concatenate([misplaced, np.flatnonzero(apart & (near.other_at >= 0))]).astype(int)
    drawn_to = {*faces.people[wrong].tolist(), *faces.people[near.other_at[wrong]].tolist()}
    weak = list(_weak(faces, near, pairs, apart, poor, explained | drawn_to, limit))
    explained |= {found.person for found in weak if found.reason == Reason.NOT_FOUND}
    seen = {*misplaced, *(face for found in weak for face in found.faces)}
    outliers = [_outlier(faces, near, face, Reason.LOOKS_LIKE_OTHER) for face in misplaced]
    for face in np.flatnonzero((near.own < np.inf) & (near.denied | (near.own > far_from(near.own, limit)))):
        if face not in seen and faces.people[face] not in explained:
            reason = Reason.DENIED if near.denied[face] else Reason.FAR
            outliers.append(_outlier(faces, near, int(face), reason))
            seen.add(face)
    outliers += [_outlier(faces, near, face, Reason.POOR) for face in _worse(faces, quality, poor) if face not in seen]
    return [*outliers, *duplicates, *weak]


def _apart(faces: Faces, near: Neighbours) -> np.ndarray:
    """bool (n,): the second group of a person whose faces fall into two groups of two and more."""
    second = np.bincount(faces.people, weights=near.group == 1, minlength=len(faces.sizes))
    return (near.group == 1) & (second[faces.people] >= 2)


def _misplaced(
    faces: Faces, near: Neighbours, limit: float, duplicates: set[frozenset[int]], apart: np.ndarray
) -> list[int]:
    """Faces that would be recognised as somebody else, and lie nearer to that one than to their own person.

    Of two that lie near each other the one further from its own person is misplaced; it draws the other one to it. A group
    set apart is misplaced as a whole.
    """
    nearer = (near.other <= limit) & (near.other < near.own) & (near.own < np.inf)
    drawn = set(np.flatnonzero(nearer & ~apart & ~apart[near.other_at]).tolist())
    return [
        face
        for face in sorted(drawn)
        if frozenset(faces.people[[face, near.other_at[face]]].tolist()) not in duplicates
        and not (near.other_at[face] in drawn and near.own[near.other_at[face]] > near.own[face])
    ]


def far_from(own: np.ndarray, limit: float) -> float:
    """Beyond which distance a face is far from the others of its person: the limit, or what is unusual in this gallery.

    Unusual is what lies beyond the upper quartile by three times the distance between the quartiles (Tukey, Exploratory
    Data Analysis, 1977: "far out").
    """
    known = own[own < np.inf]
    if len(known) < ENOUGH_TO_KNOW_THE_USUAL:
        return limit
    lower, upper = np.quantile(known, [0.25, 0.75])
    return min(limit, float(upper + 3 * (upper - lower)))


def _worse(faces: Faces, quality: np.ndarray, poor: np.ndarray) -> Iterator[int]:
    """Poor faces with less than half of the quality that is usual among their person's faces."""
    for face in np.flatnonzero(poor).tolist():
        rows = faces.range_of(faces.people[face])
        if 2 * quality[face] < np.median(quality[rows]) and not poor[rows].all():
            yield face


class _Pairs:
    """Which people's faces lie within the limit of each other. matched: (person, other) → how many of the person's faces
    are near one of the other's; nearest: → (distance, face, face of the other)."""

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
    """Two people of whom each has more than half of the faces near the other's."""
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
    """Those first that look like somebody else, then those that are furthest away; poor ones last."""
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
    apart: np.ndarray,
    poor: np.ndarray,
    explained: set[int],
    limit: float,
) -> Iterator[Finding]:
    """explained: people of whom it is known why their faces are not found."""
    found = (near.own <= limit) & (near.own < near.other) & ~near.denied
    counts = np.bincount(faces.people, weights=found, minlength=len(faces.sizes)).astype(int)
    poor_counts = np.bincount(faces.people, weights=poor, minlength=len(faces.sizes)).astype(int)
    two_people = set(faces.people[apart].tolist())
    for person, size in enumerate(faces.sizes.tolist()):
        some = {"person": person, "found": int(counts[person]), "total": size}
        if person in two_people:
            yield _two_people(faces, near, pairs, some)
        elif size == 1:
            yield Finding(Kind.WEAK, Reason.SINGLE, rank=3 - poor_counts[person] / 2, **some)
        elif 2 * counts[person] < size and person not in explained:
            yield Finding(Kind.WEAK, Reason.NOT_FOUND, rank=1 + counts[person] / size, **some)
        elif poor_counts[person] == size:
            yield Finding(Kind.WEAK, Reason.POOR, rank=2, **some)


def _two_people(faces: Faces, near: Neighbours, pairs: _Pairs, some: dict) -> Finding:
    """The faces of the second group; and whose they may be, where most of them are near one other person's."""
    rows = faces.range_of(some["person"])
    second = rows.start + np.flatnonzero(near.group[rows] == 1)
    alike = faces.people[near.close[np.isin(near.close[:, 0], second), 1]]
    first = rows.start + int(np.argmin(near.group[rows]))
    finding = {"faces": tuple(second.tolist()), "face": int(second[0]), "own_face": first, "rank": 0.0, **some}
    if len(alike):
        other = int(np.bincount(alike).argmax())
        if 2 * (alike == other).sum() > len(second):
            distance, _, at = pairs.nearest[some["person"], other]
            finding |= {"other": other, "other_face": at, "distance": distance}
    return Finding(Kind.WEAK, Reason.TWO_PEOPLE, **finding)
