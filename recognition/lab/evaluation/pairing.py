"""Draws the pairs of a verification set: as many of one person as of two, in folds, no pair twice, from a seed."""

import math
import random
from collections.abc import Iterator, Sequence
from itertools import combinations

from recognition.lab.evaluation.sets import SetError

MOST_PAIRS = 6000  # by default: as many as LFW has
MOST_LISTED = 1_000_000  # pairs that are listed to draw from
NumberedPair = tuple[int, int, bool]
"""The numbers of two photos, and whether they show one person."""


def draw_pairs(
    people: Sequence[Sequence[int]], *, count: int | None = None, folds: int = 10, seed: int = 0
) -> tuple[list[NumberedPair], bool]:
    """The pairs, fold after fold, in each fold those of one person first, as in LFW; and whether no person is in two folds.

    people: for each person, the numbers of their photos. count: of pairs, a multiple of 2 x folds; None: as many as
    possible, at most MOST_PAIRS. If there are enough people, folds share no person, as in LFW. Raises SetError.
    """
    if count is not None and (count < 2 * folds or count % (2 * folds)):
        raise SetError(
            f"The number of pairs must be a multiple of {2 * folds}, so that each fold has as many of each kind."
        )
    rng = random.Random(seed)
    groups = _person_disjoint_folds(people, folds, rng)
    per_fold = _most_pairs([people]) // folds if groups is None else _most_pairs(groups)
    if groups is not None and count is not None and per_fold < count // (2 * folds):
        groups, per_fold = None, _most_pairs([people]) // folds  # so many pairs need folds that share people
    wanted = min(per_fold, MOST_PAIRS // (2 * folds)) if count is None else count // (2 * folds)
    if wanted < 1 or wanted > per_fold:
        raise SetError(
            f"{sum(map(len, people))} usable photos of {len(people)} people give {per_fold * 2 * folds} pairs at most, with "
            f"as many of one person as of two in each of {folds} folds. Add photos, or ask for fewer pairs."
        )
    if groups is not None:
        return [pair for group in groups for pair in _fold_of(group, wanted, rng)], True
    genuine, impostor = _genuine(people, wanted * folds, rng), _impostor(people, wanted * folds, rng)
    drawn = []
    for start in range(0, wanted * folds, wanted):
        drawn += genuine[start : start + wanted] + impostor[start : start + wanted]
    return drawn, False


def _person_disjoint_folds(
    people: Sequence[Sequence[int]], folds: int, rng: random.Random
) -> list[list[Sequence[int]]] | None:
    """The people dealt out to folds, those with several photos first; None if a fold would have too few."""
    several = [person for person in people if len(person) > 1]
    single = [person for person in people if len(person) == 1]
    rng.shuffle(several)
    rng.shuffle(single)
    groups: list[list[Sequence[int]]] = [[] for _ in range(folds)]
    for number, person in enumerate(several + single):
        groups[number % folds].append(person)
    return groups if len(several) >= folds and all(len(group) > 1 for group in groups) else None


def _most_pairs(groups: Sequence[Sequence[Sequence[int]]]) -> int:
    """How many pairs of each kind every group can give."""
    return min(min(_genuine_pairs(group), _impostor_pairs(group)) for group in groups)


def _genuine_pairs(people: Sequence[Sequence[int]]) -> int:
    return sum(math.comb(len(person), 2) for person in people)


def _impostor_pairs(people: Sequence[Sequence[int]]) -> int:
    sizes = [len(person) for person in people]
    return (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2


def _fold_of(people: Sequence[Sequence[int]], wanted: int, rng: random.Random) -> list[NumberedPair]:
    return _genuine(people, wanted, rng) + _impostor(people, wanted, rng)


def _genuine(people: Sequence[Sequence[int]], count: int, rng: random.Random) -> list[NumberedPair]:
    """Pairs of one person, spread over the people as evenly as their numbers of photos allow."""
    pairs = []
    for person, quota in zip(people, _quotas([math.comb(len(p), 2) for p in people], count, rng), strict=True):
        for index in rng.sample(range(math.comb(len(person), 2)), quota):
            second = (1 + math.isqrt(1 + 8 * index)) // 2
            pairs.append((person[index - second * (second - 1) // 2], person[second], True))
    rng.shuffle(pairs)
    return pairs


def _quotas(room: Sequence[int], count: int, rng: random.Random) -> list[int]:
    """`count` shared out evenly, to each at most its room."""
    quotas, left = [0] * len(room), count
    while left:
        free = [number for number, most in enumerate(room) if quotas[number] < most]
        rng.shuffle(free)
        for number in free[:left]:
            given = min(max(left // len(free), 1), room[number] - quotas[number])
            quotas[number] += given
        left = count - sum(quotas)
    return quotas


def _impostor(people: Sequence[Sequence[int]], count: int, rng: random.Random) -> list[NumberedPair]:
    """Two people drawn at random, and a photo of each. If most of all pairs are wanted, they are drawn from a list."""
    possible = _impostor_pairs(people)
    if count * 2 > possible and possible <= MOST_LISTED:
        return rng.sample([(a, b, False) for a, b in _all_impostor_pairs(people)], count)
    drawn: dict[tuple[int, int], None] = {}
    while len(drawn) < count:
        one, other = rng.sample(range(len(people)), 2)
        pair = rng.choice(people[one]), rng.choice(people[other])
        if pair[::-1] not in drawn:
            drawn[pair] = None
    return [(a, b, False) for a, b in drawn]


def _all_impostor_pairs(people: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
    for one, other in combinations(people, 2):
        yield from ((a, b) for a in one for b in other)
