import json
import shutil

import pytest

from recognition.engine.manifest import PackError, load_manifest, verify_pack


@pytest.fixture
def copy(pack_dir, tmp_path):
    return shutil.copytree(pack_dir, tmp_path / "dlib-resnet")


def test_the_installed_pack_is_whole(pack_dir):
    manifest = verify_pack(pack_dir)
    assert manifest.dim == 128
    assert manifest.commercial_use is True
    assert len(manifest.files) == 8


@pytest.mark.parametrize("name", ["embedder-0000.params", "pnet-symbol.json"])
def test_a_damaged_file_is_named(copy, name):
    path = copy / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(PackError, match=name):
        verify_pack(copy)


def test_a_missing_file_is_named(copy):
    (copy / "rnet-0000.params").unlink()
    with pytest.raises(PackError, match=r"rnet-0000\.params is missing.*packs install"):
        verify_pack(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}'])
def test_a_damaged_manifest_is_an_error(copy, text):
    (copy / "manifest.json").write_text(text)
    with pytest.raises(PackError, match="damaged"):
        load_manifest(copy)


def test_no_pack_says_how_to_install_it(tmp_path):
    with pytest.raises(PackError, match="packs install dlib-resnet"):
        load_manifest(tmp_path / "dlib-resnet")


def test_score_is_half_at_the_threshold_and_falls(pack_dir):
    manifest = load_manifest(pack_dir)
    assert manifest.score(0.5, 0.5) == 0.5
    assert manifest.score(0.41, 0.53) == pytest.approx(0.93, abs=0.01)
    scores = [manifest.score(distance / 100, 0.5) for distance in range(0, 400, 5)]
    assert scores == sorted(scores, reverse=True)
    assert 0 <= scores[-1] < scores[0] <= 1


def test_size_threshold_tightens_with_the_gallery(pack_dir):
    manifest = load_manifest(pack_dir)
    distances = [manifest.size_threshold(count).distance for count in (0, 1, 5, 40, 100, 1000, 10**6)]
    assert distances[0] == distances[1]
    assert distances[1:] == sorted(distances[1:], reverse=True)
    assert distances[2] == pytest.approx(0.506, abs=0.001)
    assert min(distances) > 0


def test_size_threshold_says_where_it_leaves_the_data(pack_dir):
    manifest = load_manifest(pack_dir)
    assert not manifest.size_threshold(100).extrapolated
    assert manifest.size_threshold(10**5).extrapolated


def test_size_threshold_is_never_looser_than_one_to_one(pack_dir):
    manifest = load_manifest(pack_dir)
    assert manifest.size_threshold(1, fpir=0.5).distance == manifest.threshold_1to1


def test_the_manifest_is_the_catalogue_entry(pack_dir):
    from recognition.packs.install import catalogue

    entry = catalogue()["dlib-resnet"]
    manifest = json.loads((pack_dir / "manifest.json").read_text())
    assert {name: manifest[name] for name in entry} == entry
