"""Files of the data directory: closed to others, its owner's whoever makes them, and no way for links to mislead root."""

import os
import stat

import pytest

from faceplatform import private_files
from faceplatform.private_files import make_folder, open_private, put_right

OWNER = (54321, 54321)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def mode(path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def owner(path) -> tuple[int, int]:
    return path.lstat().st_uid, path.lstat().st_gid


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_file_is_made_for_its_owner_alone(tmp_path, open_umask):
    with open_private(tmp_path / "list", "a") as file:
        file.write("one\n")
    with open_private(tmp_path / "list", "a") as file:
        file.write("two\n")
    assert (tmp_path / "list").read_text() == "one\ntwo\n"
    assert mode(tmp_path / "list") == 0o600


def test_one_that_was_open_is_closed(tmp_path):
    (tmp_path / "list").touch(0o644)
    open_private(tmp_path / "list", "a").close()
    assert mode(tmp_path / "list") == 0o600


@pytest.mark.parametrize("way", ["w", "a", "rb+"])
def test_a_link_is_not_followed(tmp_path, way):
    (tmp_path / "other").write_text("precious")
    (tmp_path / "list").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        open_private(tmp_path / "list", way)
    assert (tmp_path / "other").read_text() == "precious"


def test_the_folder_is_closed_unless_it_is_plainly_there_for_other_things_too(tmp_path, open_umask, monkeypatch):
    make_folder(tmp_path / "new")
    (tmp_path / "old").mkdir(0o755)
    make_folder(tmp_path / "old")
    assert mode(tmp_path / "new") == mode(tmp_path / "old") == 0o700
    for name, found in (("sticky", 0o1777), ("code", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(found)
        monkeypatch.setattr(private_files, "__file__", str(tmp_path / "code" / "module.py"))
        make_folder(tmp_path / name)
        assert mode(tmp_path / name) == found


def test_what_an_earlier_version_left_open_is_put_right(tmp_path, open_umask):
    (tmp_path / "static" / "css").mkdir(parents=True)
    (tmp_path / "static" / "css" / "page.css").touch()
    (tmp_path / "erasures.jsonl").touch()
    (tmp_path / "postgres" / "base").mkdir(parents=True)
    (tmp_path / "postgres" / "PG_VERSION").touch()
    (tmp_path / "postgres" / "base" / "1").touch()
    outside = tmp_path.with_name(f"{tmp_path.name}-outside")
    outside.touch()
    (tmp_path / "link").symlink_to(outside)
    os.link(outside, tmp_path / "second name")
    put_right(tmp_path)
    assert mode(tmp_path) == mode(tmp_path / "static" / "css") == 0o700
    assert mode(tmp_path / "static" / "css" / "page.css") == mode(tmp_path / "erasures.jsonl") == 0o600
    assert mode(tmp_path / "postgres" / "base" / "1") == 0o666, "a cluster looks after itself"
    assert mode(outside) == 0o666


@as_root
def test_what_root_makes_is_the_folders_owners(tmp_path):
    os.chown(tmp_path, *OWNER)
    open_private(tmp_path / "list", "a").close()
    assert owner(tmp_path / "list") == OWNER


@as_root
def test_roots_files_are_given_away_where_they_have_no_second_name(tmp_path):
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "page.css").touch()
    (tmp_path / "theirs").touch()
    os.chown(tmp_path / "theirs", 54322, 54322)
    outside = tmp_path.with_name(f"{tmp_path.name}-outside")
    outside.touch()
    os.link(outside, tmp_path / "second name")
    (tmp_path / "link").symlink_to(outside)
    put_right(tmp_path, owner=OWNER)
    assert {owner(path) for path in (tmp_path, tmp_path / "static", tmp_path / "static" / "page.css")} == {OWNER}
    assert owner(tmp_path / "theirs") == (54322, 54322)
    assert owner(outside) == (0, 0)
