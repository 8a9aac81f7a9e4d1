"""Workers that may take little more memory than they have, while a member sends photos of 35 megapixels."""

import io
import resource
import threading
from collections import Counter
from pathlib import Path

from PIL import Image

from recognition.lab.bench.api.client import form
from recognition.lab.bench.api.processes import workers_of
from recognition.lab.bench.attack.target import Attack, Target, ask, many

TO_SPARE = 60 * 2**20  # bytes; a decoded photo of 35 megapixels takes 105 MB
UNLIMITED = resource.RLIM_INFINITY
INTERVAL = 0.5  # seconds until a worker that was started anew is limited, too


class LackOfMemory(Attack):
    def __init__(self, target: Target):
        super().__init__(target)
        out = io.BytesIO()
        Image.new("RGB", (7000, 5000), "grey").save(out, "JPEG")
        self.body, kind = form({"photo": out.getvalue()}, gallery=target.gallery)
        self.headers = target.headers | kind | {"Prefer": "wait=20"}

    def run(self, seconds: float) -> Counter[str]:
        over = threading.Event()
        watch = threading.Thread(target=self._limit_workers, args=(over,))
        watch.start()
        try:
            return many(1, self._send, seconds)
        finally:
            over.set()
            watch.join()

    def _send(self, deadline: float) -> str:
        return ask(self.target, "POST", "/api/v1/recognitions", self.body, self.headers)[0]

    def _limit_workers(self, over: threading.Event) -> None:
        limited: set[int] = set()
        while not over.wait(INTERVAL):
            for pid in set(workers_of(self.target.supervisor)) - limited:
                if is_warm(pid):
                    limit_memory(pid, size_of(pid) + TO_SPARE)
                    limited.add(pid)
        for pid in limited:
            limit_memory(pid, UNLIMITED)


def is_warm(pid: int) -> bool:
    """Whether a worker has loaded its models: it holds more than a Python program and Django do."""
    return _pages(pid)[1] * resource.getpagesize() > 250 * 2**20


def size_of(pid: int) -> int:
    return _pages(pid)[0] * resource.getpagesize()


def limit_memory(pid: int, limit: int) -> None:
    """Sets the soft limit of the address space alone, so that it can be raised again. A process that has ended is none."""
    try:
        _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, hard))
    except ProcessLookupError:
        pass


def _pages(pid: int) -> tuple[int, int]:
    try:
        size, resident = Path(f"/proc/{pid}/statm").read_text().split()[:2]
    except OSError:
        return 0, 0
    return int(size), int(resident)
