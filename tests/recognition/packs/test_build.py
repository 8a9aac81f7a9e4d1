"""Packs of imported nets, from the command to faces recognised."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from recognition.engine.manifest import Manifest, load_manifest, verify_pack
from recognition.engine.mxnet_runtime import save_net
from recognition.engine.pipeline import Pipeline
from recognition.lab.training.symbols import network, seeded_params
from recognition.packs.install import CATALOGUE, catalogue

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_shared = pytest.mark.skipif(not DATA.exists(), reason="the published models and photos are not here")
MOBILEFACENET = DATA / "models" / "mobilefacenet-onnx" / "MobileFaceNet.onnx"
SCRFD = DATA / "models" / "scrfd-onnx" / "scrfd_2.5g_bnkps.onnx"


@pytest.fixture
def models(tmp_path, settings, pack_dir) -> Path:
    settings.MODELS_DIR = tmp_path / "models"
    shutil.copytree(pack_dir, settings.MODELS_DIR / "dlib-resnet")
    return settings.MODELS_DIR


def packs_in(models: Path) -> list[str]:
    return sorted(path.name for path in models.iterdir() if path.name != ".lock")


def test_a_published_mxnet_net_becomes_a_pack(models, published, hopper, capsys):
    call_command("packs", "import-mxnet", "mine", "--embedder", published, "--licence", "MIT", "--commercial-use")
    manifest = verify_pack(models / "mine")
    assert (manifest.dim, manifest.metric, manifest.alignment) == (128, "cosine", "arcface-112")
    assert (manifest.mean, manifest.std) == ([127.5] * 3, [128.0] * 3)  # what the symbol itself begins with
    assert manifest.commercial_use
    assert manifest.licence == "MIT (embedder), MIT (detector)"
    assert len(manifest.sources) == 2 + 3
    [face] = Pipeline.load(models / "mine").analyse([hopper], purposes=["probe"])[0].faces
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)
    call_command("packs", "list")
    assert "mine                 installed      commercial use: yes" in capsys.readouterr().out


def test_a_damaged_pack_is_listed_as_such(models, capsys):
    (models / "dlib-resnet" / "manifest.json").write_text("{")
    call_command("packs", "list")
    assert "dlib-resnet          damaged" in capsys.readouterr().out


def test_verify_says_what_runs_and_why(models, published, capsys):
    call_command("packs", "verify", "dlib-resnet")
    out = capsys.readouterr().out
    assert "8 files are intact" in out
    assert "embedder: " in out
    assert "PReLU: all" in out or "PReLU: no PReLU" in out
    assert "AMX" in out


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["../x"], "cannot be the name of a pack"),
        (["dlib-resnet"], "already"),
        (["x", "--mean", "1", "2"], "one number or three"),
        (["x", "--mean", "0", "--std", "1"], "scales its input itself"),
        (["x", "--metric", "L2"], "--threshold"),
        (["x", "--detector", "no-such-pack"], "There is no pack"),
        (["x", "--detector", "no-such.onnx"], "There is no file"),
    ],
)
def test_what_cannot_be_built_leaves_nothing_behind(models, published, options, match):
    before = packs_in(models)
    with pytest.raises(CommandError, match=match):
        call_command("packs", "import-mxnet", *options, "--embedder", published, "--licence", "MIT")
    assert packs_in(models) == before


def test_a_net_that_gives_no_numbers_is_not_installed(models, published, tmp_path):
    symbol = network("mbf", 128)
    params = seeded_params(symbol) | {"pre_fc1_bias": np.full(128, np.nan, "float32")}
    save_net(symbol, params, tmp_path, "broken")
    with pytest.raises(CommandError, match="no numbers"):
        call_command("packs", "import-mxnet", "x", "--embedder", tmp_path / "broken", "--licence", "MIT")
    assert packs_in(models) == ["dlib-resnet"]


def test_a_pack_nobody_has_measured_gets_careful_thresholds(models, published):
    call_command("packs", "import-mxnet", "mine", "--embedder", published, "--licence", "MIT")
    manifest = load_manifest(models / "mine")
    distances = [manifest.size_threshold(identities) for identities in (1, 10, 1000, 10**6)]
    assert all(threshold.extrapolated for threshold in distances)
    values = [threshold.distance for threshold in distances]
    assert values == sorted(values, reverse=True)
    assert values[0] <= manifest.threshold_1to1


def test_every_entry_of_the_catalogue_makes_a_manifest():
    for name, entry in catalogue().items():
        facts = {key: value for key, value in entry.items() if key != "page"}
        manifest = Manifest(name=name, files={}, **facts)
        assert manifest.size_threshold(10).distance <= manifest.threshold_1to1
        for source in entry["sources"]:
            assert source["part"] in ("detector", "embedder")
            assert len(source["sha256"]) == 64
            assert {"package", "url"} & set(source) or "page" in entry
    assert "measured_on" in CATALOGUE.read_text()


# --- The published models on real people ---
@pytest.fixture
def people():
    folders = sorted((DATA / "faces" / "identities").iterdir())
    return {folder.name: [path.read_bytes() for path in sorted(folder.iterdir())] for folder in folders}


def enrolled(pipeline, people):
    found = {}
    for name, photos in people.items():
        for analysis in pipeline.analyse(photos, purposes=["enrol"] * len(photos)):
            [face] = analysis.faces
            found.setdefault(name, []).append(face.embedding)
    return found


def nearest(embedding, known) -> tuple[float, str]:
    return min((min(np.linalg.norm(embedding - one) for one in vectors), name) for name, vectors in known.items())


@needs_shared
@pytest.mark.parametrize("name", ["mobilefacenet", "scrfd-mobilefacenet"])
def test_mobilefacenet_from_onnx_recognises_the_same_people(models, people, tmp_path, name):
    source = tmp_path / "downloads"
    source.mkdir()
    for path in (MOBILEFACENET, SCRFD):
        shutil.copy(path, source)
    given = MOBILEFACENET if name == "mobilefacenet" else source
    call_command("packs", "install", name, "--from", given, "--accept-licence")
    pipeline = Pipeline.load(models / name)
    known = enrolled(pipeline, people)
    threshold = pipeline.manifest.size_threshold(len(known)).distance
    expected = {
        "alex_lacamoire1": {"alex_lacamoire"},
        "friends_group": set(),
        "johnsnow_test1": {"kit_harington"},
        "kit_with_rose": {"kit_harington", "rose_leslie"},
        "obama1": {"obama"},
        "obama_and_biden": {"obama", "biden"},
    }
    for path in sorted((DATA / "faces" / "probes").glob("*.jpg")):
        [analysis] = pipeline.analyse([path.read_bytes()], purposes=["probe"])
        found = [nearest(face.embedding, known) for face in analysis.faces]
        assert {person for distance, person in found if distance <= threshold} == expected[path.stem], path.name


@needs_shared
def test_measuring_keeps_the_curve_in_the_pack(models, tmp_path, capsys):
    people = tmp_path / "people"
    for number in range(1, 9):
        shutil.copytree(DATA / "faces" / "orl" / f"s{number}", people / f"s{number}")
    call_command("packs", "measure", "dlib-resnet", people, "--describe", "eight people")
    manifest = load_manifest(models / "dlib-resnet")
    assert manifest.measured_on == "eight people"
    assert manifest.far_pairs == {"genuine": 720, "impostor": 5600}
    fars = [far for _, far, _ in manifest.far_curve]
    assert fars == sorted(fars)
    assert max(distance for distance, far, _ in manifest.far_curve if far <= 0.001) == manifest.threshold_1to1
    with pytest.raises(CommandError, match="a folder for each"):
        call_command("packs", "measure", "dlib-resnet", people / "s1")
