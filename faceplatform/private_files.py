"""Files of the data directory: open to their owner alone, whoever makes them.

The directory belongs to the user the platform runs as. Root may run commands beside it; what root makes there is given
to the directory's owner. That owner decodes strangers' photos, so root follows none of its links.
"""

import os
import stat
from pathlib import Path
from typing import IO, Any

Owner = tuple[int, int]  # user and group


def make_folder(folder: Path, *, owner: Owner | None = None) -> None:
    """The data directory itself. owner: to whom it is given where it is root's.

    One that is plainly there for other things too is left as it is.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not folder.stat().st_mode & stat.S_ISVTX and not Path(__file__).resolve().is_relative_to(folder.resolve()):
        _close(os.fspath(folder), None, owner)


def open_private(path: Path, mode: str, **options: Any) -> IO[Any]:
    """As `open`, for writing. Raises OSError, also where `path` is a link."""
    return open(path, mode, opener=_opener, **options)


def open_descriptor(path: Path) -> int:
    """For reading and writing, made where it is not there, never emptied."""
    return _opener(os.fspath(path), os.O_RDWR | os.O_CREAT)


def _opener(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    _belong(descriptor, Path(path).parent.stat())
    return descriptor


def _belong(descriptor: int, folder: os.stat_result) -> None:
    found = os.fstat(descriptor)
    if os.geteuid() == 0 and found.st_uid == 0 != folder.st_uid and found.st_nlink == 1:
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
        found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077 and os.geteuid() in (0, found.st_uid):
        os.fchmod(descriptor, 0o600)


def put_right(data_dir: Path, *, owner: Owner | None = None) -> None:
    """Closes what an earlier version or an open umask left open to others in `data_dir`.

    owner: to whom root's files are given. Database clusters look after themselves. Files with a second name elsewhere
    are not touched: that name may be anywhere.
    """
    make_folder(data_dir, owner=owner)
    for _, folders, files, descriptor in os.fwalk(data_dir):
        if "PG_VERSION" in files:
            folders.clear()
            continue
        for name in (*files, *folders):
            _close(name, descriptor, owner)


def _close(name: str, folder: int | None, owner: Owner | None) -> None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not found.st_mode & 0o077 and not (owner and found.st_uid == 0):
        return
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:  # a link, a socket, or somebody else's
        return
    try:
        found = os.fstat(descriptor)
        if (stat.S_ISREG(found.st_mode) and found.st_nlink != 1) or os.geteuid() not in (0, found.st_uid):
            return
        if owner and found.st_uid == 0:
            os.fchown(descriptor, *owner)
        if found.st_mode & 0o077:
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & 0o700)
    finally:
        os.close(descriptor)
