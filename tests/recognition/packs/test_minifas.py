"""The nets that tell pictures of faces, with seeded weights in the published files' formats: no published file is needed."""

import functools
import http.server
import io
import pickle
import threading
import zipfile

import minifas_files
import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from recognition.engine.base import Box
from recognition.engine.liveness import PACK, verify_liveness
from recognition.engine.liveness_nets import LivenessNets, surroundings
from recognition.engine.manifest import PackError
from recognition.packs import convert_minifas, install
from recognition.packs.install import catalogue, install_pack, liveness_catalogue
from recognition.packs.torch_file import read_weights

NETS = ("minifas-v2", "minifas-v1se")
# What PyTorch 2.13 computes with the same files for two pictures of noise, BGR, 0–255.
GOLDEN = {
    "minifas-v2": [[0.2307823, 0.2623039, 0.5069138], [0.215378, 0.2753836, 0.5092385]],
    "minifas-v1se": [[0.3342598, 0.3466959, 0.3190443], [0.3315543, 0.341526, 0.3269197]],
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("minifas")
    minifas_files.write_files(folder)
    return folder


@pytest.fixture
def known(published, monkeypatch):
    """The catalogue knows the files of `published`, not the true ones."""
    entry = minifas_files.entry_of(published, liveness_catalogue()[PACK])
    monkeypatch.setattr(install, "liveness_catalogue", lambda: {PACK: entry})
    return entry


def noise() -> np.ndarray:
    return np.random.RandomState(5).randint(0, 256, (2, 80, 80, 3)).astype("uint8")


@pytest.mark.parametrize("runtime", ["mxnet", "openvino"])
def test_the_converted_nets_compute_what_pytorch_computes(known, published, tmp_path, runtime):
    if runtime == "openvino":
        pytest.importorskip("openvino")
    install_pack(PACK, tmp_path, source=published)
    nets = LivenessNets(tmp_path / PACK, runtime=runtime)
    assert [net["runtime"] for net in nets.engine["nets"]] == [runtime] * 2
    for (net, _), name in zip(nets._nets, NETS, strict=True):
        pictures = noise()[:, :, :, ::-1].transpose(0, 3, 1, 2).astype("float32")
        assert np.abs(net(pictures)[0] - GOLDEN[name]).max() < 1e-5
        assert np.abs(net(pictures[:, ::-1])[0] - GOLDEN[name]).max() > 1e-3  # RGB is something else


def test_a_score_is_the_mean_of_the_nets_for_as_many_faces_as_there_are(known, published, tmp_path):
    install_pack(PACK, tmp_path, source=published)
    nets = LivenessNets(tmp_path / PACK)
    whole = Box(0, 0, 80, 80)  # cannot be made larger than the picture, less a pixel
    first, second = noise()
    scores = nets.scores([(first, whole), (second, whole)] * 5)
    assert np.allclose(scores, scores[:2] * 5, atol=1e-6)
    for at, picture in enumerate((first, second)):
        batch = surroundings(picture, whole, 2.7)[None, :, :, ::-1].transpose(0, 3, 1, 2).astype("float32")
        assert scores[at] == pytest.approx(np.mean([net(batch)[0][0, 1] for net, _ in nets._nets]), abs=1e-5)
    assert nets.scores([]) == []


def test_a_face_is_cut_out_as_the_publisher_does_it():
    """Every px of this image tells where it is; expected: what the published code cuts out."""
    image = np.zeros((200, 300, 3), "uint8")
    image[:, :, 0], image[:, :, 1] = np.arange(300) % 256, np.arange(200)[:, None]
    inside = surroundings(image, Box(100, 80, 40, 40), 2.0)  # px 80 to 160 across, 60 to 140 down
    assert (inside[0, 0, 0], inside[0, 0, 1], inside[-1, -1, 0], inside[-1, -1, 1]) == (80, 60, 160, 140)
    moved = surroundings(image, Box(0, 0, 40, 40), 2.0)  # would begin at -20: it is moved in, not cut
    assert (moved[0, 0, 0], moved[0, 0, 1], moved[-1, -1, 0], moved[-1, -1, 1]) == (0, 0, 80, 80)
    limited = surroundings(image, Box(100, 20, 150, 160), 4.0)  # at most 199 / 160 times as large
    assert (limited[0, 0, 1], limited[-1, -1, 1]) == (1, 198)  # means of 0 to 2 and of 197 to 199


# --- Installing -------------------------------------------------------------------------------------------------------
def test_it_is_installed_from_a_folder_and_by_address(known, published, tmp_path, monkeypatch):
    install_pack(PACK, tmp_path / "folder", source=published)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=published)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        entry = minifas_files.entry_of(published, known, address=f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(install, "liveness_catalogue", lambda: {PACK: entry})
        lines: list[str] = []
        install_pack(PACK, tmp_path / "address", progress=lines.append)
        server.shutdown()
    assert sum(line.startswith("Fetching http://127.0.0.1") for line in lines) == 2
    manifests = [verify_liveness(tmp_path / name / PACK) for name in ("folder", "address")]
    assert manifests[0].files == manifests[1].files
    assert manifests[0].nets == {"minifas-v2": 2.7, "minifas-v1se": 4.0}
    before = (tmp_path / "folder" / PACK).stat().st_mtime_ns
    install_pack(PACK, tmp_path / "folder", source=published)  # is there, and whole
    assert (tmp_path / "folder" / PACK).stat().st_mtime_ns == before


def test_other_files_than_the_published_are_refused_before_they_are_read(published, tmp_path, monkeypatch):
    """The true catalogue: the seeded files are not minivision's."""
    monkeypatch.setattr(convert_minifas, "convert", lambda *args: pytest.fail("the file was read"))
    with pytest.raises(PackError, match=r"2\.7_80x80_MiniFASNetV2\.pth is not the published file: its sha256 differs"):
        install_pack(PACK, tmp_path, source=published)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_it_is_no_pack_to_recognise_with(known, published, tmp_path, settings, capsys):
    assert PACK not in catalogue()
    settings.MODELS_DIR = tmp_path
    call_command("packs", "list")
    assert f"{PACK}     not installed" in capsys.readouterr().out
    call_command("packs", "install", PACK, source=published)
    assert not list(tmp_path.glob("*/manifest.json"))
    call_command("packs", "list")
    assert f"{PACK}     installed" in capsys.readouterr().out
    call_command("packs", "verify", PACK)
    out = capsys.readouterr().out
    assert "liveness-minifas: 4 files are intact; Apache-2.0; commercial use: yes" in out
    assert "minifas-v1se: fp32 in mxnet" in out
    (tmp_path / PACK / "minifas-v2-0000.params").write_bytes(b"damaged")
    with pytest.raises(CommandError, match="is damaged"):
        call_command("packs", "verify")


# --- Files from outside -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("write", [minifas_files.write_pickles, minifas_files.write_zip])
def test_both_formats_are_read(tmp_path, write):
    made = {"a.weight": np.arange(24, dtype="float32").reshape(2, 3, 4), "b": np.ones(3, "float32")}
    write(tmp_path / "file.pth", made)
    found = read_weights(tmp_path / "file.pth")
    assert list(found) == ["a.weight", "b"]
    assert all((found[name] == made[name]).all() for name in made)


@pytest.mark.parametrize("write", [minifas_files.write_pickles, minifas_files.write_zip])
@pytest.mark.parametrize("names", [("posix", "system"), ("torch.hub", "load"), ("builtins", "eval")])
def test_whatever_else_a_file_asks_for_is_refused(tmp_path, write, names):
    write(tmp_path / "file.pth", {"a": np.ones(3, "float32")}, names=names)
    with pytest.raises(PackError, match=rf"it asks for \w.*\.{names[1]}, which no weights need"):
        read_weights(tmp_path / "file.pth")


def test_damaged_files_are_refused(tmp_path, published):
    whole = (published / "4_0_0_80x80_MiniFASNetV1SE.pth").read_bytes()
    for size in (0, 1, 100, 5_000, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pth").write_bytes(whole[:size])
        with pytest.raises(PackError, match=r"cut.pth (is damaged|cannot be read)"):
            read_weights(tmp_path / "cut.pth")
    for content in (b"no pickle", pickle.dumps([1, 2]), zipped({"archive/data.pkl": pickle.dumps({"a": 1})})):
        (tmp_path / "other.pth").write_bytes(content)
        with pytest.raises(PackError, match=r"other.pth"):
            read_weights(tmp_path / "other.pth")


def test_a_tensor_larger_than_its_storage_and_a_compressed_file_are_refused(tmp_path):
    minifas_files.write_zip(tmp_path / "file.pth", {"a": np.ones(1000, "float32")})
    with zipfile.ZipFile(tmp_path / "file.pth") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (tmp_path / "short.pth").write_bytes(zipped(parts | {"archive/data/0": b"\0" * 40}))
    (tmp_path / "packed.pth").write_bytes(zipped(parts, zipfile.ZIP_DEFLATED))
    for name in ("short.pth", "packed.pth"):
        with pytest.raises(PackError, match=f"{name} is damaged"):
            read_weights(tmp_path / name)


def test_weights_of_another_net_are_refused(tmp_path):
    made = minifas_files.weights(minifas_files.V2, excited=False, seed=0)
    del made["module.conv_45.project.bn.bias"]
    minifas_files.write_zip(tmp_path / "other.pth", made)
    with pytest.raises(PackError, match=r"does not hold the weights of a MiniFASNet: 'conv_45.project.bn.bias'"):
        convert_minifas.convert(tmp_path / "other.pth", tmp_path, "net")
    made = minifas_files.weights(minifas_files.V2, excited=False, seed=0)
    made["module.prob.weight"] = made["module.prob.weight"][:2]
    minifas_files.write_zip(tmp_path / "two.pth", made)
    with pytest.raises(PackError, match="2 classes apart, not 3"):
        convert_minifas.convert(tmp_path / "two.pth", tmp_path, "net")


def zipped(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()
