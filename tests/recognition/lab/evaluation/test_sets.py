"""Pair lists: what is read, and what the error says about a list that cannot be."""

import hashlib

import numpy as np
import pytest
from verification_sets import jpeg, tile, write_bin

from recognition.lab.evaluation.embedding import Unusable, crop_of, crops
from recognition.lab.evaluation.sets import SetError, read_set


def written(tmp_path, name: str, text: str):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_csv(tmp_path):
    path = written(
        tmp_path, "pairs.csv", "\ufeffsame,a,b\n1,x/1.jpg,x/2.jpg\n0,x/1.jpg, y/1.jpg \nfalse,y/1.jpg,x/2.jpg\n"
    )
    found = read_set(path)
    assert found.same.tolist() == [True, False, False]
    assert (found.first.tolist(), found.second.tolist()) == ([0, 0, 2], [1, 2, 1])
    assert [found.images.label(n) for n in range(3)] == ["x/1.jpg", "x/2.jpg", "y/1.jpg"]
    assert (found.name, found.aligned) == ("pairs", False)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_paths_start_beside_the_list_or_at_a_given_folder(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"one")
    path = written(tmp_path, "pairs.csv", "a,b,same\n1.jpg,2.jpg,1\n")
    assert read_set(path, photos=tmp_path / "photos").images.read(0) == b"one"
    with pytest.raises(FileNotFoundError):
        read_set(path).images.read(0)


def test_lfw_pairs(tmp_path):
    path = written(tmp_path, "pairs.txt", "10\t1\nAnn_Lee\t1\t4\nAnn_Lee\t2\tBo\t10\nJosé 1 2\n\n")
    found = read_set(path)
    assert found.same.tolist() == [True, False, True]
    labels = [found.images.label(n) for n in range(len(found.images))]
    assert labels[:4] == [
        "Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0004.jpg", "Ann_Lee/Ann_Lee_0002.jpg", "Bo/Bo_0010.jpg",
    ]  # fmt: skip
    assert labels[4] == "José/José_0001.jpg"


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("p.csv", "a,b\n1,2\n", "lacks the columns same"),
        ("p.csv", "", "lacks the columns a, b, same"),
        ("p.csv", "a,b,same\n", "lists no pairs"),
        ("p.csv", "a,b,same\nx,y,1\nx,y,maybe\n", "line 3: a and b must be paths, and same 1 or 0"),
        ("p.csv", "a,b,same\nx,,1\n", "line 2"),
        ("p.txt", "10 300\nAnn 1\n", "line 2: it must be NAME 1 2"),
        ("p.txt", "Ann 1 Bo two\n", "line 1"),
        ("p.pkl", "", r"is not a set\. Give a .bin"),
    ],
)
def test_bad_lists(tmp_path, name, text, message):
    with pytest.raises(SetError, match=message):
        read_set(written(tmp_path, name, text))


def test_files_that_are_not_text_or_missing(tmp_path):
    (tmp_path / "p.csv").write_bytes(b"a,b,same\n\xff\xfe,x,1\n")
    with pytest.raises(SetError, match="not a CSV in UTF-8"):
        read_set(tmp_path / "p.csv")
    with pytest.raises(SetError, match="There is no set"):
        read_set(tmp_path / "none.bin")
    (tmp_path / "d.bin").mkdir()
    with pytest.raises(SetError, match="cannot be read: Is a directory"):
        read_set(tmp_path / "d.bin")


def test_crops_of_other_sizes_keep_their_middle(tmp_path):
    wide = np.zeros((224, 300, 3), "uint8")
    wide[:, 38:262] = np.arange(224, dtype="uint8")[None, :, None]
    made = crop_of(wide)
    assert made.shape == (112, 112, 3)
    assert np.abs(made[:, :, 0].astype(int) - (np.arange(112) * 2)[None]).max() <= 1
    assert (crop_of(jpeg(tile(5, 0))) == 20).all()


def test_a_bin_with_content_that_is_not_an_image(tmp_path):
    found = read_set(
        write_bin(tmp_path / "set.bin", [jpeg(tile(1, 0)), b"junk", jpeg(tile(2, 0))[:200], b""], [True, False])
    )
    made = crops([found.images.read(n) for n in range(4)])
    assert [isinstance(chip, Unusable) for chip in made] == [False, True, True, True]
    assert "not a photo that can be read" in made[1].reason
