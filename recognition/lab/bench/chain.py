"""Times the whole chain – decode, detect, align, embed – one photo at a time, as a worker runs it."""

import io
import statistics
import time
from pathlib import Path

from PIL import Image

from recognition.engine.base import PhotoAnalysis, PhotoError
from recognition.engine.pipeline import Pipeline

SIZE = (640, 480)


def photos_in(folder: Path | None) -> list[bytes]:
    """The folder's photos as JPEGs of 640x480 px, padded with black where needed.

    Without a folder: one public-domain portrait that comes with scikit-image, a development requirement.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder else [_sample_portrait()]
    jpegs = []
    for path in paths:
        with Image.open(path) as image:
            photo = image.convert("RGB")
        photo.thumbnail(SIZE)
        canvas = Image.new("RGB", SIZE)
        canvas.paste(photo, ((SIZE[0] - photo.width) // 2, (SIZE[1] - photo.height) // 2))
        out = io.BytesIO()
        canvas.save(out, "JPEG", quality=90)
        jpegs.append(out.getvalue())
    return jpegs


def measure(pipeline: Pipeline, photos: list[bytes], *, rounds: int) -> dict:
    """Median milliseconds per photo for each stage, over the photos with exactly one face, or all if there are none.

    Raises PhotoError.
    """
    pipeline.warm()
    for photo in photos:
        _analyse(pipeline, photo)
    rows = []
    for _ in range(rounds):
        for photo in photos:
            start, cpu = time.perf_counter(), time.process_time()
            analysis = _analyse(pipeline, photo)
            spent = {"total": (time.perf_counter() - start) * 1000, "cpu": (time.process_time() - cpu) * 1000}
            rows.append((len(analysis.faces), analysis.timings_ms | spent))
    single = [row for faces, row in rows if faces == 1] or [row for _, row in rows]
    medians = {stage: round(statistics.median(row[stage] for row in single), 2) for stage in single[0]}
    return {"photos": len(photos), "with one face": sum(faces == 1 for faces, _ in rows) // rounds, "ms": medians}


def _analyse(pipeline: Pipeline, photo: bytes) -> PhotoAnalysis:
    [analysis] = pipeline.analyse([photo], purposes=["probe"])
    if isinstance(analysis, PhotoError):
        raise analysis
    return analysis


def _sample_portrait() -> Path:
    import skimage

    return Path(skimage.__file__).parent / "data" / "astronaut.png"
