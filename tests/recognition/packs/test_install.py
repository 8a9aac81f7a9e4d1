import tarfile
import zipfile

import pytest

from recognition.engine.manifest import PackError
from recognition.packs import install
from recognition.packs.install import install_pack

FILE = "mtcnn/assets/weights/pnet.lz4"


@pytest.fixture
def no_packages(monkeypatch):
    """As if no package were installed: only what `source` holds is there."""
    monkeypatch.setattr(install, "_installed_packages", lambda sources: [])


def test_an_unknown_pack_names_the_known(tmp_path):
    with pytest.raises(PackError, match="dlib-resnet"):
        install_pack("no-such-pack", tmp_path)


def test_a_whole_pack_is_left_alone(pack_dir):
    lines = []
    before = (pack_dir / "manifest.json").stat().st_mtime_ns
    assert install_pack("dlib-resnet", pack_dir.parent, progress=lines.append) == pack_dir
    assert (lines, (pack_dir / "manifest.json").stat().st_mtime_ns) == ([], before)


def test_a_whole_pack_is_found_where_nothing_can_be_written(pack_dir, tmp_path):
    """The lock of a folder that may only be read cannot be opened either, not even by root."""
    (tmp_path / ".lock").mkdir()
    (tmp_path / "dlib-resnet").symlink_to(pack_dir)
    assert install_pack("dlib-resnet", tmp_path) == tmp_path / "dlib-resnet"
    with pytest.raises(PackError, match=r"No pack can be installed into .*FACEPLATFORM_MODELS_DIR"):
        install_pack("dlib-resnet", tmp_path, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "dlib-resnet"]


@pytest.mark.parametrize("name", ["file", "file/inside"])
def test_a_folder_of_packs_that_is_none(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(PackError, match="No pack can be installed"):
        install_pack("dlib-resnet", tmp_path / name)


def test_a_source_without_the_files_leaves_nothing_behind(tmp_path, no_packages):
    source = tmp_path / "empty"
    source.mkdir()
    with pytest.raises(PackError, match="is not in"):
        install_pack("dlib-resnet", tmp_path / "models", source=source, progress=print)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".lock"]


@pytest.mark.parametrize("kind", ["plain", "wheel", "sdist"])
def test_a_file_with_another_sha256_is_refused_before_it_is_read(tmp_path, no_packages, kind, monkeypatch):
    entry = {"sources": [_source()], "licence": "x", "commercial_use": True}
    monkeypatch.setattr(install, "catalogue", lambda: {"dlib-resnet": entry})
    monkeypatch.setattr(install, "_convert", lambda *args: pytest.fail("the file was read"))
    source = _packaged(tmp_path, kind, b"a hostile pickle")
    with pytest.raises(PackError, match="sha256 differs"):
        install_pack("dlib-resnet", tmp_path / "models", source=source, progress=print)
    assert not (tmp_path / "models" / "dlib-resnet").exists()


def test_a_licence_that_restricts_use_has_to_be_accepted(tmp_path, no_packages):
    asked = []
    with pytest.raises(PackError, match="--accept-licence"):
        install_pack("scrfd-mobilefacenet", tmp_path, accept=lambda licence: asked.append(licence))
    assert "non-commercial" in asked[0]
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_source_without_an_address_says_where_to_fetch_it(tmp_path, no_packages):
    with pytest.raises(PackError, match=r"no address.*https://.*--from FILE"):
        install_pack("scrfd-mobilefacenet", tmp_path, accept=lambda licence: True)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_file_that_is_no_archive_is_no_source(tmp_path, no_packages):
    source = tmp_path / "notes.txt"
    source.write_text("not a model")
    with pytest.raises(PackError, match="no address"):
        install_pack("scrfd-mobilefacenet", tmp_path / "models", source=source, accept=lambda licence: True)


def _source() -> dict:
    return {"package": "mtcnn", "version": "1.0.0", "file": FILE, "sha256": "0" * 64, "licence": "MIT"}


def _packaged(folder, kind, data):
    if kind == "wheel":
        path = folder / "mtcnn-1.0.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(FILE, data)
        return path
    plain = folder / "pnet.lz4"
    plain.write_bytes(data)
    if kind == "plain":
        return plain
    path = folder / "mtcnn-1.0.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(plain, f"mtcnn-1.0.0/{FILE}")
    return path
