"""Two imports at once of 300,000 lines that name one photo, stopped in the middle."""

import io
import json
import time
import zipfile
from collections import Counter
from pathlib import Path

from recognition.lab.bench.api.client import form
from recognition.lab.bench.attack.target import Attack, Target, ask

LINES = 300_000
IMPORTS = 2
STEP = 0.5  # seconds between two looks
ENDED = ("done", "failed", "stopped")


class LongImports(Attack):
    def __init__(self, target: Target):
        super().__init__(target)
        self.body, self.kind = form({"file": zip_of_one_photo(LINES, Path(target.photo).read_bytes())},
                                    gallery=target.gallery)  # fmt: skip

    def run(self, seconds: float) -> Counter[str]:
        middle = time.monotonic() + seconds / 2
        answers = [self._ask("POST", "", self.body, self.kind) for _ in range(IMPORTS)]
        said = Counter(f"sent: {status}" for status, _ in answers)
        jobs = [body["id"] for status, body in answers if status == "202"]
        time.sleep(max(0.0, middle - time.monotonic()))
        said += Counter(f"stopped: {self._ask('POST', f'/{job}/stop')[0]}" for job in jobs)
        while time.monotonic() < middle + seconds / 2 and not all(map(self._has_ended, jobs)):
            time.sleep(STEP)
        return said + Counter(f"then: {self._ask('GET', f'/{job}')[1].get('status')}" for job in jobs)

    def _has_ended(self, job: str) -> bool:
        return self._ask("GET", f"/{job}")[1].get("status") in ENDED

    def _ask(
        self, method: str, path: str, body: bytes | None = None, kind: dict[str, str] | None = None
    ) -> tuple[str, dict]:
        status, content, _ = ask(
            self.target, method, f"/api/v1/imports{path}", body, self.target.headers | (kind or {})
        )
        return status, json.loads(content or b"{}")


def zip_of_one_photo(lines: int, photo: bytes) -> bytes:
    """A ZIP with a table that names its one photo in so many lines, each time as another person's."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photo.jpg", photo)
        archive.writestr("people.csv", "name,photo\n" + "".join(f"Person {n},photo.jpg\n" for n in range(lines)))
    return out.getvalue()
