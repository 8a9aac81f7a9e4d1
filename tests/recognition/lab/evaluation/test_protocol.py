"""The protocol on sets with known answers; its memory; the nets of packs on real photos."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from verification_sets import grey, jpeg, tile, write_bin

from recognition.engine.align import ALIGNMENTS
from recognition.lab.evaluation import embedding
from recognition.lab.evaluation.embedding import embed_images
from recognition.lab.evaluation.pack import PackUnderTest, aligned_faces
from recognition.lab.evaluation.protocol import summarise, verify
from recognition.lab.evaluation.sets import read_set

ROOT = Path(__file__).resolve().parents[4]


def tiles(tmp_path, *, people: int = 20, broken: int = 0):
    """Two looks of each person; the next person is the impostor. `grey` puts people 4 apart and looks 1 apart."""
    images, same = [], []
    for person in range(people):
        images += [tile(person, 0), tile(person, 1), tile(person, 1), tile(person + 1, 0)]
        same += [True, False]
    return read_set(write_bin(tmp_path / "tiles.bin", [b"junk"] * broken * 2 + images, [True] * broken + same))


def test_a_net_that_is_always_right(tmp_path):
    done = []
    result = verify(grey, tiles(tmp_path), metric="L2", threshold=2.0, progress=lambda *counts: done.append(counts))
    assert (result.pairs, result.compared, result.images) == (40, 40, 41)
    assert (result.accuracy, result.deviation, result.accuracy_all, result.auc, result.eer) == (1, 0, 1, 1, 0)
    assert result.best.threshold == 2.0 and result.best.accuracy == 1
    assert (result.at_threshold.tar, result.at_threshold.far, result.at_threshold.accuracy) == (1, 0, 1)
    assert result.spread == {"genuine": [1, 1, 1], "impostor": [3, 3, 3]}
    assert [found.far for found in result.tar_at_far] == [0.1] and result.tar_at_far[0].tar == 1
    assert result.fold_kind == "as published" and len(result.fold_accuracies) == 10
    assert done[-1] == (41, 41)
    assert any("fewer than 10 pairs" in note for note in result.notes)
    json.dumps(result.as_dict(), allow_nan=False)


def test_a_net_that_is_blind(tmp_path):
    result = verify(lambda chips: np.ones((len(chips), 3), "float32"), tiles(tmp_path))
    assert (result.auc, result.eer) == (0.5, 0.5)
    assert result.accuracy == 0.5


def test_an_image_and_its_mirror_image_are_added(tmp_path):
    """The net gets a crop and its mirror image, both otherwise unchanged, and its outputs for them are added."""
    seen = []

    def net(chips):
        seen.append(chips.copy())
        return chips[:, 0, :2, 0].astype("float32")

    sloped = np.tile(np.arange(112, dtype="uint8")[None, :, None], (112, 1, 3))
    pairs = read_set(write_bin(tmp_path / "s.bin", [sloped, sloped + 9], [True]))
    raw, _ = embed_images(pairs.images, net, embedding.crops, metric="L2")
    assert raw.tolist() == [[55.5, 55.5], [64.5, 64.5]]
    assert (seen[1] == seen[0][:, :, ::-1]).all() and (seen[0][0] == sloped).all()
    unit, _ = embed_images(pairs.images, net, embedding.crops, metric="cosine")
    assert np.allclose(np.linalg.norm(unit, axis=1), 1)


def test_images_that_do_not_decode_are_listed_and_count_against_the_net(tmp_path):
    result = verify(grey, tiles(tmp_path, people=40, broken=4), metric="L2")
    assert (result.pairs, result.compared) == (84, 80)
    assert result.accuracy == 1 and result.accuracy_all == pytest.approx(1 - 4 / 9 / 10)
    [failure] = result.failures  # the four pairs hold the same junk, which is one image
    assert (failure.image, failure.pairs) == ("image 0", 4)
    assert "not a photo that can be read" in failure.reason


@pytest.mark.parametrize("same, kind", [([True] * 12, "one person"), ([False] * 12, "two people")])
def test_one_kind_of_pair_defines_no_accuracy(same, kind):
    distances = np.linspace(0.1, 0.6, 12, dtype="float32")
    result = summarise(distances, np.array(same), name="x", sha256="", metric="L2", threshold=0.3)
    assert (result.accuracy, result.auc, result.eer, result.best, result.tar_at_far) == (None, None, None, None, [])
    assert kind in result.notes[0]
    assert (result.at_threshold.tar is None) == (kind == "two people")
    json.dumps(result.as_dict(), allow_nan=False)


def test_few_pairs_and_none_that_could_be_compared():
    same = np.array([True, False] * 4)
    few = summarise(np.where(same, 0.1, 0.9).astype("float32"), same, name="x", sha256="", metric="L2")
    assert few.accuracy is None and few.auc == 1
    assert any("too few for 10 folds" in note for note in few.notes)
    none = summarise(np.full(8, np.nan, "float32"), same, name="x", sha256="", metric="L2", threshold=1.0)
    assert (none.compared, none.auc, none.at_threshold, none.histogram) == (0, None, None, {})
    json.dumps(none.as_dict(), allow_nan=False)


def test_the_kept_curve_is_the_curve():
    random = np.random.default_rng(1)
    same = np.arange(20_000) % 2 == 0
    distances = np.where(same, random.normal(0.7, 0.15, 20_000), random.normal(1.3, 0.12, 20_000)).astype("float32")
    result = summarise(distances, same, name="x", sha256="", metric="cosine")
    assert len(result.roc) < 250
    for far, tar, threshold in result.roc[1:-1]:
        assert far == pytest.approx((distances[~same] <= threshold + 1e-6).mean(), abs=2e-4)
        assert tar == pytest.approx((distances[same] <= threshold + 1e-6).mean(), abs=2e-4)
    assert [found.far for found in result.tar_at_far] == [0.1, 0.01, 0.001, 0.0001]


def test_vectors_too_large_for_memory_are_kept_in_a_file(tmp_path, monkeypatch):
    pairs = tiles(tmp_path)
    expected = verify(grey, pairs, metric="L2").as_dict()
    monkeypatch.setattr(embedding, "IN_MEMORY", 0)
    monkeypatch.setattr(embedding, "PAIRS_AT_A_TIME", 7)
    assert verify(grey, pairs, metric="L2").as_dict() == expected


A_MILLION = """
import resource, sys
sys.path[:0] = ["tests", "."]
import numpy as np
from pathlib import Path
from verification_sets import grey
from recognition.lab.evaluation.embedding import Unusable
from recognition.lab.evaluation.protocol import verify
from recognition.lab.evaluation.sets import read_set

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
pairs = read_set(Path(sys.argv[1]))
pairs.images.read = lambda number: str(number).encode()
chips = lambda images: [np.full((2, 2, 3), int(image) % 251, "uint8") for image in images]
result = verify(lambda batch: np.repeat(grey(batch), 64, axis=1), pairs, chips=chips, metric="L2")
print(result.compared, result.images, peak() - before)
"""


def test_a_million_pairs_in_bounded_memory(tmp_path):
    """20,000 photos. Their paths and vectors (128 values) take 20 MB, a pair takes 13 bytes, and sorting takes some more."""
    random = np.random.default_rng(0)
    pairs = [f"p/{a}.jpg,p/{b}.jpg,{int(a % 251 == b % 251)}\n" for a, b in random.integers(0, 20_000, (100_000, 2))]
    (tmp_path / "pairs.csv").write_text("a,b,same\n" + "".join(pairs) * 10)
    command = [sys.executable, "-c", A_MILLION, str(tmp_path / "pairs.csv")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    compared, images, grown = map(int, done.stdout.split())
    assert (compared, round(images, -3)) == (1_000_000, 20_000)
    assert grown < 300


# --- Packs, on real photos ---
@pytest.fixture(scope="module")
def under_test(pipeline):
    return PackUnderTest(pipeline)


@pytest.fixture
def photos(tmp_path, hopper, hopper_again, collins, no_face):
    for name, data in {"hopper": hopper, "again": hopper_again, "collins": collins, "coffee": no_face}.items():
        (tmp_path / f"{name}.jpg").write_bytes(data)
    (tmp_path / "damaged.jpg").write_bytes(hopper[:3000])
    return tmp_path


def test_a_list_of_photos(under_test, photos):
    lines = ["hopper,again,1", "hopper,collins,0", "coffee,hopper,0", "damaged,again,0", "nowhere,again,1"]
    cells = [line.split(",") for line in lines]
    rows = "".join(f"{a}.jpg,{b}.jpg,{same}\n" for a, b, same in cells)
    (photos / "pairs.csv").write_text("a,b,same\n" + rows)
    result = under_test.verify(read_set(photos / "pairs.csv"))
    assert (result.pairs, result.compared, result.metric) == (5, 2, "L2")
    assert result.spread["genuine"][1] < under_test.manifest.threshold_1to1 < result.spread["impostor"][1]
    assert (result.at_threshold.tar, result.at_threshold.far) == (1, 0)
    reasons = {failure.image: failure.reason for failure in result.failures}
    assert set(reasons) == {"coffee.jpg", "damaged.jpg", "nowhere.jpg"}
    assert reasons["coffee.jpg"] == "No face was found." and "No such file" in reasons["nowhere.jpg"]


def test_lists_agree_with_what_the_platform_does(under_test, pipeline, photos, hopper, collins):
    """The distance is that of two probes in a recognition."""
    (photos / "pairs.csv").write_text("a,b,same\nhopper.jpg,collins.jpg,0\n")
    result = under_test.verify(read_set(photos / "pairs.csv"))
    one, other = (found.faces[0].embedding for found in pipeline.analyse([hopper, collins], purposes=["probe"] * 2))
    assert result.spread["impostor"][1] == pytest.approx(float(np.linalg.norm(one - other)), abs=1e-3)


def test_crops_are_aligned_again(under_test, pipeline, tmp_path, hopper, hopper_again, collins):
    """For a pack that takes other chips than the set's crops, the face is found again, or aligned by the template."""
    made = aligned_faces(pipeline, [hopper, hopper_again, collins], ALIGNMENTS["arcface-112"])
    blank = np.full((112, 112, 3), 90, "uint8")
    images = [jpeg(made[0]), jpeg(made[1]), jpeg(made[0]), jpeg(made[2]), jpeg(blank), jpeg(made[2])]
    result = under_test.verify(read_set(write_bin(tmp_path / "s.bin", images, [True, False, False])))
    assert result.compared == 3
    assert result.spread["genuine"][1] < 0.45 and result.spread["impostor"][0] > 0.58
    [note] = [note for note in result.notes if "template" in note]
    assert note.startswith("In 1 of 4 crops")
    [direct] = aligned_faces(pipeline, [hopper], under_test.alignment)
    [again] = under_test.chips_of_crops([images[0]])
    assert again.shape == (150, 150, 3)
    assert np.linalg.norm(np.subtract(*under_test.embed(np.stack([direct, again])))) < 0.3  # strangers are 0.58 apart
