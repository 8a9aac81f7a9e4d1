"""Photos that are hard to decode, by two members without a pause."""

from collections import Counter
from itertools import count

from recognition.lab.bench.api.client import form
from recognition.lab.bench.attack import photos
from recognition.lab.bench.attack.target import Attack, Target, ask, many

CLIENTS = 2


class HardPhotos(Attack):
    def __init__(self, target: Target):
        super().__init__(target)
        hard = [
            photos.scan_bomb(8_000),
            photos.scan_bomb(20),
            photos.png_with(b"zTXt", 100_000_000),
            photos.png_with(b"iCCP", 100_000_000),
            photos.animation("GIF", 500),
            photos.tiff_of_pages(500),
            photos.tiff_in_a_circle(),
            photos.tiff_of_strips(20_000),
            photos.jpeg_with_deep_exif(2_500),
        ]
        self.bodies = [form({"photo": photo}, gallery=target.gallery) for photo in hard]
        self.number = count()

    def run(self, seconds: float) -> Counter[str]:
        return many(CLIENTS, self._send, seconds)

    def _send(self, deadline: float) -> str:
        body, kind = self.bodies[next(self.number) % len(self.bodies)]
        headers = self.target.headers | kind | {"Prefer": "wait=20"}
        return ask(self.target, "POST", "/api/v1/recognitions", body, headers)[0]
