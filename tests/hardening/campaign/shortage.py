"""Something is used up: places in the database, a lock, memory, the disk."""

import contextlib
import io
import os
import threading
import time
from collections import Counter
from pathlib import Path

import psycopg
from PIL import Image

from recognition.lab.bench.api.client import form
from recognition.lab.bench.attack.memory import TO_SPARE, is_warm, limit_memory, size_of
from tests.hardening.campaign.clients import numbered, word_of
from tests.hardening.campaign.fault import Fault
from tests.hardening.campaign.field import Field

UNLIMITED = -1
CGROUP = Path("/sys/fs/cgroup/memory")
FILL = 1024 * 1024
STEP = 0.5  # seconds


class Connections(Fault):
    """Somebody takes every place in the database that is or becomes free."""

    def run(self, seconds: float) -> str:
        deadline, taken = time.monotonic() + seconds, []
        while time.monotonic() < deadline:
            try:
                taken.append(
                    psycopg.connect(host=str(self.field.folder / "run"), user="faceplatform_app", dbname="faceplatform")
                )
            except psycopg.OperationalError:
                time.sleep(0.2)
        for connection in taken:
            connection.close()
        return f"{len(taken)} places taken"


class Lock(Fault):
    """Somebody holds the tables of people and of photos, one after the other."""

    tables = ("gallery_identity", "recognition_recognitionrequest")

    def run(self, seconds: float) -> str:
        for table in self.tables:
            with self.field.database() as connection, connection.transaction():
                connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                time.sleep(max(60.0, seconds) / len(self.tables))
        return f"{max(60.0, seconds):.0f} s"


class FullDisk(Fault):
    """The file system of the data directory is full to the last byte."""

    @classmethod
    def why_not(cls, field: Field) -> str:
        return "" if field.disk else "a file system of its own takes root, and the right to mount"

    def run(self, seconds: float) -> str:
        filler, deadline = self.field.folder / "filler", time.monotonic() + seconds
        try:
            with filler.open("wb", buffering=0) as file:
                while time.monotonic() < deadline:  # what becomes free again is taken, too
                    size = FILL
                    while size:
                        try:
                            file.write(bytes(size))
                        except OSError:
                            size //= 2
                    time.sleep(STEP)
                filled = file.tell() >> 20
        finally:
            filler.unlink()
        return f"{filled} MB"


class HardPhoto(Fault):
    """Somebody sends photos of 35 megapixels, while workers may have little more memory than they hold."""

    def run(self, seconds: float) -> str:
        out = io.BytesIO()
        Image.new("RGB", (7000, 5000), "grey").save(out, "JPEG")
        photo, over, limited = out.getvalue(), threading.Event(), set[int]()
        watch = threading.Thread(target=self._limit_all, args=(over, limited))
        watch.start()
        said, deadline, client = Counter[str](), time.monotonic() + seconds, self.field.connect()
        while time.monotonic() < deadline:
            data, headers = form({"photo": numbered(photo, str(time.monotonic_ns()))}, gallery=self.field.gallery)
            said[word_of(client.call("POST", "/detections", data, headers | {"Prefer": "wait=30"}))] += 1
        client.close()
        over.set()
        watch.join()
        self.lift(limited)
        return f"{len(limited)} workers limited; hard photos: " + ", ".join(f"{n} × {word}" for word, n in said.items())

    def _limit_all(self, over: threading.Event, limited: set[int]) -> None:
        while not over.wait(STEP):
            for pid in set(self.field.pids("recognition_worker")) - limited:
                if is_warm(pid):
                    self.limit(pid)
                    limited.add(pid)

    def limit(self, pid: int) -> None:
        raise NotImplementedError

    def lift(self, limited: set[int]) -> None:
        raise NotImplementedError


class OutOfMemory(HardPhoto):
    """Their address space is limited: an allocation fails, and the worker can say so."""

    def limit(self, pid: int) -> None:
        limit_memory(pid, size_of(pid) + TO_SPARE)

    def lift(self, limited: set[int]) -> None:
        for pid in limited:
            limit_memory(pid, UNLIMITED)


class OutOfMemoryKilled(HardPhoto):
    """Their control group is limited: the kernel kills the worker in the middle of the photo."""

    @classmethod
    def why_not(cls, field: Field) -> str:
        return "" if os.access(CGROUP / "cgroup.procs", os.W_OK) else "it takes root, and control groups of memory"

    def limit(self, pid: int) -> None:
        group = group_of(pid)
        group.mkdir()
        with contextlib.suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(pid))
            resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
            # What it has had before counts for the group it had it in.
            (group / "memory.limit_in_bytes").write_text(str(min(TO_SPARE, resident)))

    def lift(self, limited: set[int]) -> None:
        for pid in limited:
            with contextlib.suppress(OSError):
                (group_of(pid) / "memory.limit_in_bytes").write_text(str(UNLIMITED))
                with contextlib.suppress(ProcessLookupError):
                    (CGROUP / "cgroup.procs").write_text(str(pid))
                group_of(pid).rmdir()


def group_of(pid: int) -> Path:
    return CGROUP / f"campaign-{pid}"
