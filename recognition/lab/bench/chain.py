"""The whole chain – decode, detect, align, embed – photo by photo, as a worker does it."""

import io
import statistics
import time
from pathlib import Path

from PIL import Image

from recognition.engine.pipeline import Pipeline

SIZE = (640, 480)


def photos_in(folder: Path | None) -> list[bytes]:
    """Photos as JPEG, made to fit 640x480 px; without a folder, one public-domain portrait of a development package."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder else [_portrait()]
    found = []
    for path in paths:
        with Image.open(path) as image:
            whole = image.convert("RGB")
        whole.thumbnail(SIZE)
        canvas = Image.new("RGB", SIZE)
        canvas.paste(whole, ((SIZE[0] - whole.width) // 2, (SIZE[1] - whole.height) // 2))
        out = io.BytesIO()
        canvas.save(out, "JPEG", quality=90)
        found.append(out.getvalue())
    return found


def measure(pipeline: Pipeline, photos: list[bytes], *, rounds: int) -> dict:
    """Milliseconds a photo, medians over the photos with one face (over all, where none has just one)."""
    pipeline.warm()
    for photo in photos:
        pipeline.analyse([photo], purposes=["probe"])
    rows = []
    for _ in range(rounds):
        for photo in photos:
            start, cpu = time.perf_counter(), time.process_time()
            [analysis] = pipeline.analyse([photo], purposes=["probe"])
            spent = {"total": (time.perf_counter() - start) * 1000, "cpu": (time.process_time() - cpu) * 1000}
            rows.append((len(analysis.faces), analysis.timings_ms | spent))
    single = [row for faces, row in rows if faces == 1] or [row for _, row in rows]
    medians = {stage: round(statistics.median(row[stage] for row in single), 2) for stage in single[0]}
    return {"photos": len(photos), "with one face": sum(faces == 1 for faces, _ in rows) // rounds, "ms": medians}


def _portrait() -> Path:
    import skimage

    return Path(skimage.__file__).parent / "data" / "astronaut.png"
