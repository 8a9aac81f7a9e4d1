"""Drawing pairs for a verification set: as many of one person as of two, in ten folds, none twice, from a seed."""

import math
import random
from collections.abc import Iterator, Sequence
from itertools import combinations

from recognition.lab.evaluation.sets import SetError

MOST_PAIRS = 6000  # by default: as many as LFW has
ENUMERATED = 1_000_000
Numbered = tuple[int, int, bool]
"""Two photos' numbers, and whether they show one person."""


def draw_pairs(
    people: Sequence[Sequence[int]], *, count: int | None = None, folds: int = 10, seed: int = 0
) -> tuple[list[Numbered], bool]:
    """The pairs, fold after fold, those of one person first in each, as in LFW; and whether no person is in two folds.

    people: numbers of the photos of each. count: of pairs, a multiple of 2 x folds; None: as many as there are, at most
    6,000. Folds share no person where there are people enough, as in LFW. Raises SetError.
    """
    if count is not None and (count < 2 * folds or count % (2 * folds)):
        raise SetError(f"The number of pairs must be a multiple of {2 * folds}: as many of each kind in each fold.")
    chance = random.Random(seed)
    groups = _apart(people, folds, chance)
    apart = groups is not None
    each = _most(groups, folds) if apart else _most([people], folds) // folds
    if apart and count is not None and each < count // (2 * folds):
        apart, each = False, _most([people], folds) // folds  # people have to be shared for so many
    wanted = min(each, MOST_PAIRS // (2 * folds)) if count is None else count // (2 * folds)
    if wanted < 1 or wanted > each:
        raise SetError(
            f"{sum(map(len, people))} usable photos of {len(people)} people give {each * 2 * folds} pairs at most, as many "
            f"of one person as of two{', and none' if each < 1 else ''}. Add photos, or ask for fewer pairs."
        )
    if apart:
        return [pair for group in groups for pair in _fold(group, wanted, chance)], True
    genuine, impostor = _genuine(people, wanted * folds, chance), _impostor(people, wanted * folds, chance)
    drawn = []
    for start in range(0, wanted * folds, wanted):
        drawn += genuine[start : start + wanted] + impostor[start : start + wanted]
    return drawn, False


def _apart(people: Sequence[Sequence[int]], folds: int, chance: random.Random) -> list[list[Sequence[int]]] | None:
    """The people dealt out to folds, those with several photos first; None where a fold would not have enough."""
    several = [person for person in people if len(person) > 1]
    single = [person for person in people if len(person) == 1]
    chance.shuffle(several)
    chance.shuffle(single)
    groups: list[list[Sequence[int]]] = [[] for _ in range(folds)]
    for number, person in enumerate(several + single):
        groups[number % folds].append(person)
    return groups if len(several) >= folds and all(len(group) > 1 for group in groups) else None


def _most(groups: Sequence[Sequence[Sequence[int]]], folds: int) -> int:
    """How many pairs of each kind the poorest group gives."""
    return min(min(_genuine_pairs(group), _impostor_pairs(group)) for group in groups)


def _genuine_pairs(people: Sequence[Sequence[int]]) -> int:
    return sum(math.comb(len(person), 2) for person in people)


def _impostor_pairs(people: Sequence[Sequence[int]]) -> int:
    sizes = [len(person) for person in people]
    return (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2


def _fold(people: Sequence[Sequence[int]], wanted: int, chance: random.Random) -> list[Numbered]:
    return _genuine(people, wanted, chance) + _impostor(people, wanted, chance)


def _genuine(people: Sequence[Sequence[int]], count: int, chance: random.Random) -> list[Numbered]:
    """As evenly over people as their numbers of photos allow."""
    pairs = []
    for person, quota in zip(people, _quotas([math.comb(len(p), 2) for p in people], count, chance), strict=True):
        for index in chance.sample(range(math.comb(len(person), 2)), quota):
            second = (1 + math.isqrt(1 + 8 * index)) // 2
            pairs.append((person[index - second * (second - 1) // 2], person[second], True))
    chance.shuffle(pairs)
    return pairs


def _quotas(room: Sequence[int], count: int, chance: random.Random) -> list[int]:
    """`count` dealt out evenly, to each at most its room."""
    quotas, left = [0] * len(room), count
    while left:
        free = [number for number, most in enumerate(room) if quotas[number] < most]
        chance.shuffle(free)
        for number in free[:left]:
            given = min(max(left // len(free), 1), room[number] - quotas[number])
            quotas[number] += given
        left = count - sum(quotas)
    return quotas


def _impostor(people: Sequence[Sequence[int]], count: int, chance: random.Random) -> list[Numbered]:
    """Two people drawn at random, and a photo of each; where nearly all pairs are wanted, from a list of them."""
    there_are = _impostor_pairs(people)
    if count * 2 > there_are and there_are <= ENUMERATED:
        return chance.sample([(a, b, False) for a, b in _crosswise(people)], count)
    drawn: dict[tuple[int, int], None] = {}
    while len(drawn) < count:
        one, other = chance.sample(range(len(people)), 2)
        pair = chance.choice(people[one]), chance.choice(people[other])
        if pair[::-1] not in drawn:
            drawn[pair] = None
    return [(a, b, False) for a, b in drawn]


def _crosswise(people: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
    for one, other in combinations(people, 2):
        yield from ((a, b) for a in one for b in other)
