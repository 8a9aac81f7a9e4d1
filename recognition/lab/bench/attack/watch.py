"""Watches the memory of web processes, the files they hold open, and the disk of the data directory."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from recognition.lab.bench.api.processes import megabytes_of

INTERVAL = 0.25  # seconds


class Watch:
    """A context manager. web_mb, spooled_mb, disk_mb: the most seen; of the disk, more than at the start."""

    def __init__(self, folder: Path, pids: Callable[[], list[int]]):
        self._folder, self._pids = folder, pids
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again, daemon=True)
        self._disk_before = disk_bytes(folder)
        self.web_mb = self.spooled_mb = self.disk_mb = 0

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.disk_mb = (disk_bytes(self._folder) - self._disk_before) >> 20

    def _look_again_and_again(self) -> None:
        while not self._over.wait(INTERVAL):
            pids = self._pids()
            self.web_mb = max([self.web_mb, *map(megabytes_of, pids)])
            self.spooled_mb = max(self.spooled_mb, sum(map(open_bytes, pids)) >> 20)


def open_bytes(pid: int) -> int:
    """What the regular files take on the disk that a process holds open: uploads are spooled to files without a name."""
    total = 0
    for link in _entries(Path(f"/proc/{pid}/fd")):
        try:
            found = link.stat()
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            total += found.st_blocks * 512
    return total


def disk_bytes(folder: Path) -> int:
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(where, name).lstat().st_blocks * 512
            except OSError:
                continue  # it has just been removed
    return total


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
