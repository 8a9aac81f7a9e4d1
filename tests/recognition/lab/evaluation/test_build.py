"""Drawing pairs, and making sets that other programs can read."""

import csv
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from verification_sets import tile

from recognition.lab.evaluation import build
from recognition.lab.evaluation.embedding import crops
from recognition.lab.evaluation.pairing import draw_pairs
from recognition.lab.evaluation.sets import SetError, read_set


def numbered(sizes: list[int]) -> list[list[int]]:
    """People with so many photos each. The photos are numbered from 0 through all people."""
    ends = np.cumsum(sizes).tolist()
    return [list(range(end - size, end)) for size, end in zip(sizes, ends, strict=True)]


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=30), st.integers(2, 10), st.integers(0, 3))
def test_pairs_are_balanced_and_no_pair_comes_twice(sizes, folds, seed):
    people = numbered(sizes)
    person_of = {photo: number for number, person in enumerate(people) for photo in person}
    try:
        pairs, apart = draw_pairs(people, folds=folds, seed=seed)
    except SetError as error:
        assert "Add photos" in str(error)
        return
    assert len({frozenset(pair[:2]) for pair in pairs}) == len(pairs)
    assert all((person_of[a] == person_of[b]) == same and a != b for a, b, same in pairs)
    each = len(pairs) // folds
    parts = [pairs[start : start + each] for start in range(0, len(pairs), each)]
    assert len(parts) == folds
    assert all([same for *_, same in part] == [True] * (each // 2) + [False] * (each // 2) for part in parts)
    if apart:
        groups = [{person_of[photo] for *photos, _ in part for photo in photos} for part in parts]
        assert sum(map(len, groups)) == len(set.union(*groups))


def test_folds_share_no_person_where_there_are_enough():
    people = numbered([4] * 20)
    pairs, apart = draw_pairs(people, count=80)
    assert apart and len(pairs) == 80
    many, disjoint = draw_pairs(people, count=240)  # all 120 pairs of one person: 2 people, 12 pairs in each fold
    assert len(many) == 240 and disjoint
    assert draw_pairs(numbered([8] * 3), count=60)[1] is False


def test_a_seed_draws_the_same_pairs_again():
    people = numbered([5] * 30)
    assert draw_pairs(people, count=200, seed=1) == draw_pairs(people, count=200, seed=1)
    assert draw_pairs(people, count=200, seed=1) != draw_pairs(people, count=200, seed=2)


@pytest.mark.parametrize(
    "sizes, count, message",
    [
        ([9], None, "give 0 pairs at most"),
        ([1] * 50, None, "give 0 pairs at most"),
        ([3] * 20, 50, "multiple of 20"),
        ([3] * 20, 5000, "give 120 pairs at most"),
    ],
)
def test_too_little_to_draw_from(sizes, count, message):
    with pytest.raises(SetError, match=message):
        draw_pairs(numbered(sizes), count=count)


@pytest.fixture
def folder(tmp_path):
    """Six people with four crops each, and two files that are not images."""
    for person in range(6):
        (tmp_path / f"person{person}").mkdir()
        for look in range(4):
            Image.fromarray(tile(person * 5, look)).save(tmp_path / f"person{person}" / f"{look}.png")
    (tmp_path / "person0" / "junk.jpg").write_bytes(b"junk")
    (tmp_path / "person0" / "notes.txt").write_text("no photo")
    return tmp_path


def test_a_folder_becomes_a_set_that_pickle_and_our_reader_read_alike(folder):
    out = folder / "own.bin"
    made = build.from_folder(folder, out, crops, count=24, folds=3, seed=0)
    assert (made.photos, made.people, made.disjoint, [failure.image for failure in made.failures]) == (
        24, 6, True, ["person0/junk.jpg"],
    )  # fmt: skip
    images, same = pickle.loads(out.read_bytes())
    assert type(images) is list and type(same) is list
    assert {type(image) for image in images} == {bytes} and {type(flag) for flag in same} == {bool}
    assert len(images) == 48 and same == [True, True, True, True, False, False, False, False] * 3
    assert all(image[:3] == b"\xff\xd8\xff" for image in images)
    ours = read_set(out)
    assert [ours.images.read(n) for n in ours.first] == images[0::2] and ours.same.tolist() == same
    assert not list(folder.glob(".*"))


def test_the_list_of_a_set_names_its_photos(folder):
    made = build.from_folder(folder, folder / "own.bin", crops, count=24, folds=3, seed=0)
    build.write_list(folder / "own.csv", build.photos_in(folder), made.pairs)
    listed, whole = read_set(folder / "own.csv", aligned=True), read_set(folder / "own.bin")
    assert listed.same.tolist() == whole.same.tolist()
    assert len(listed.images) == len(whole.images)
    with (folder / "own.csv").open() as file:
        assert next(csv.reader(file)) == ["a", "b", "same"]


def test_a_list_becomes_a_set_in_its_order(folder):
    rows = "person0/0.png,person0/1.png,1\nperson0/junk.jpg,person1/1.png,0\nperson2/0.png,person1/1.png,0\n"
    (folder / "pairs.csv").write_text("a,b,same\n" + rows)
    made = build.from_pairs(read_set(folder / "pairs.csv"), folder / "own.bin", crops)
    assert (made.dropped, [failure.image for failure in made.failures]) == (1, ["person0/junk.jpg"])
    images, same = pickle.loads((folder / "own.bin").read_bytes())
    assert same == [True, False] and len(images) == 4


def test_nothing_to_make_a_set_from(tmp_path, folder):
    with pytest.raises(SetError, match="no photos"):
        build.from_folder(folder / "person1", tmp_path / "x.bin", crops, count=None, folds=10, seed=0)
    (folder / "pairs.csv").write_text("a,b,same\nperson0/junk.jpg,nothing.jpg,1\n")
    with pytest.raises(SetError, match="No pair is left"):
        build.from_pairs(read_set(folder / "pairs.csv"), tmp_path / "x.bin", crops)
    assert not (tmp_path / "x.bin").exists()
