"""The folder of compiled models: what is kept comes back whole or not at all, and nobody else can put anything there."""

import os
import stat

import pytest

from recognition.engine import compiled_models
from recognition.engine.compiled_models import CompiledModels


@pytest.fixture
def kept(tmp_path):
    tmp_path.chmod(0o700)
    made = CompiledModels(tmp_path / "compiled")
    made.write("net", b"a compiled model")
    return made


def test_what_was_kept_comes_back_at_the_next_start(kept):
    assert CompiledModels(kept.folder).read("net") == b"a compiled model"
    assert kept.read("another") is None
    kept.write("net", b"a newer one")
    assert kept.read("net") == b"a newer one"


def test_only_the_owner_may_look(kept):
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in kept.folder.iterdir()] == [0o600]


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 32 + b"a compiled model"])
def test_a_damaged_file_counts_as_not_there(kept, damage):
    [path] = kept.folder.iterdir()
    path.write_bytes(damage)
    assert kept.read("net") is None
    kept.write("net", b"again")
    assert kept.read("net") == b"again"


def test_a_folder_that_others_may_write_to_is_not_used(kept):
    kept.folder.chmod(0o770)
    assert kept.read("net") is None
    kept.write("another", b"model")
    assert len(list(kept.folder.iterdir())) == 1


def test_a_folder_of_another_user_is_not_used(kept, monkeypatch):
    """Root, too: it follows nothing that a worker's user may have put there."""
    monkeypatch.setattr(os, "geteuid", lambda: kept.folder.stat().st_uid + 1)
    assert kept.read("net") is None
    kept.write("another", b"model")
    assert len(list(kept.folder.iterdir())) == 1


def test_a_link_is_not_followed(kept, tmp_path):
    linked = CompiledModels(tmp_path / "link")
    linked.folder.symlink_to(kept.folder, target_is_directory=True)
    assert linked.read("net") is None
    linked.write("another", b"model")
    assert len(list(kept.folder.iterdir())) == 1


def test_without_a_data_directory_nothing_is_kept(tmp_path):
    nowhere = CompiledModels(tmp_path / "not" / "there")
    nowhere.write("net", b"model")
    assert nowhere.read("net") is None
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_half_written(kept, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    kept.write("another", b"model")
    assert [path.suffix for path in kept.folder.iterdir()] == [".blob"]


def test_what_was_not_used_for_longest_goes(kept, monkeypatch):
    monkeypatch.setattr(compiled_models, "KEPT", 2)
    [first] = kept.folder.iterdir()
    os.utime(first, (1, 1))
    kept.write("second", b"model")
    assert kept.read("net")  # used again
    os.utime(kept.folder / "second.blob", (2, 2))
    kept.write("third", b"model")
    assert {path.stem for path in kept.folder.iterdir()} == {"net", "third"}
