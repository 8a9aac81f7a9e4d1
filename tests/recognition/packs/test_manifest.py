import dataclasses
import json
import shutil

import pytest

from recognition.engine.manifest import Manifest, PackError, load_manifest, verify_pack
from recognition.packs.install import catalogue


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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("files", None), ("files", []), ("files", {"../../secret": "0"}), ("files", {"a": 1}), ("dim", "128"), ("dim", True),
        ("mean", [0, 0, None]), ("std", [1, 1, float("nan")]), ("far_curve", [[0.1, 0.1]]), ("far_curve", [["0", "1", "2"]]),
        ("far_pairs", {}), ("score_slope", 1e999), ("title", None), ("sources", [[]]), ("unheard_of", 1),
    ],
)  # fmt: skip
def test_a_field_of_another_kind_is_an_error(copy, field, value):
    content = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(content | {field: value}))
    with pytest.raises(PackError, match="damaged"):
        verify_pack(copy)


def test_a_manifest_of_lists_in_lists_is_an_error(copy):
    (copy / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(PackError, match="damaged"):
        load_manifest(copy)


def test_a_curve_of_less_than_a_decade_still_gives_thresholds(pack_dir):
    manifest = load_manifest(pack_dir)
    for curve in ([[0.4, 0.01, 0.9]], [[0.3, 0.002, 0.8], [0.4, 0.01, 0.9]], [[0.3, 0.0, 0.8]]):
        short = dataclasses.replace(manifest, far_curve=curve)
        distances = [short.size_threshold(count).distance for count in (1, 100, 10**6)]
        assert distances == sorted(distances, reverse=True) and distances[0] > 0
        assert short.size_threshold(10**6).extrapolated


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
    entry = catalogue()["dlib-resnet"]
    manifest = json.loads((pack_dir / "manifest.json").read_text())
    assert {name: manifest[name] for name in entry} == entry


CURVES = catalogue()


@pytest.fixture(params=sorted(CURVES))
def known(request):
    """Each pack of the catalogue, as it would be installed."""
    facts = {key: value for key, value in CURVES[request.param].items() if key != "page"}
    return Manifest(name=request.param, files={}, **facts)


def test_a_curve_rises(known):
    for column in (0, 1, 2):
        values = [row[column] for row in known.far_curve]
        assert values == sorted(values)
    assert known.far_curve[0][0] < known.threshold_1to1 < known.far_curve[-1][0]


def test_the_share_recognised_falls_with_the_gallery(known):
    shares = [known.tar_among(faces) for faces in (1, 10, 100, 1000)]
    assert None not in shares[:3]
    measured = [share for share in shares if share is not None]
    assert measured == sorted(measured, reverse=True)
    assert known.tar_at(known.far_curve[0][0] - 0.001) is None
    assert known.tar_at(99.0) == known.far_curve[-1][2]


def test_a_pack_is_advised_for_as_many_faces_as_its_curve_bears(known):
    advised = known.advised_faces()
    assert known.tar_among(advised) >= 0.95
    assert dataclasses.replace(known, far_curve=[], far_pairs={}).advised_faces() == 0


def test_what_the_packs_are_advised_for():
    advised = {
        name: Manifest(name=name, files={}, **{k: v for k, v in entry.items() if k != "page"}).advised_faces()
        for name, entry in CURVES.items()
    }
    assert advised["dlib-resnet"] == 500
    assert advised["sface"] == 10_000


@pytest.mark.parametrize("views", [0, 3, "1"])
def test_other_numbers_of_views_are_refused(copy, views):
    path = copy / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"probe_views": views}))
    with pytest.raises(PackError, match="probe_views"):
        load_manifest(copy)


def test_a_manifest_from_before_there_were_views_has_two(copy):
    path = copy / "manifest.json"
    content = json.loads(path.read_text())
    content.pop("probe_views", None)
    path.write_text(json.dumps(content))
    assert load_manifest(copy).probe_views == 2
