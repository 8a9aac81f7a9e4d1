"""From photo files to faces: decode, detect, align, assess, embed – several photos at a time."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.align import ALIGNMENTS, CROP_LONG_SIDE, CROP_MARGIN, margin_crop
from recognition.engine.base import (
    Crop,
    Detection,
    Detector,
    Embedder,
    Face,
    PhotoAnalysis,
    PhotoError,
    Purpose,
)
from recognition.engine.find import Finder, Found, enlarged, in_finer_image, turn_back
from recognition.engine.image import MAX_BYTES, MAX_PIXELS, Decoded, decode, decode_reduced
from recognition.engine.manifest import Manifest, PackError, verify_pack
from recognition.engine.quality import assess

# Detectors look at photos with a long side of 1280 px at most, so larger JPEGs are decoded smaller. A face whose crop
# would then be smaller than it could be has its photo decoded whole.
REDUCED_LONG_SIDE = 1280
FINE_FACE = CROP_LONG_SIDE / CROP_MARGIN
QUALITY_CHIP = ALIGNMENTS["dlib-150"]  # of every pack, so that the bars of quality.py mean the same for all
WARM_UP = (640, 480)
Seen = tuple[Found, int]  # what was found, and how many px of the photo one px of its image is


class Pipeline:
    """A model pack, loaded."""

    def __init__(self, manifest: Manifest, detector: Detector, embedder: Embedder, engine: dict | None = None):
        self.manifest = manifest
        self.detector = detector
        self.finder = Finder(detector)
        self.embedder = embedder
        self.engine = engine or {}  # what runs where, and why; see PackNets.describe

    @classmethod
    def load(cls, pack_dir: Path, *, threads: int = 1, device: str = "cpu", precision: str = "auto") -> "Pipeline":
        """Checks the pack's files, loads its nets and picks their fastest form here. Raises PackError, DeviceError."""
        from recognition.engine.mxnet_embedder import FaceEmbedder
        from recognition.engine.mxnet_mtcnn import MtcnnDetector
        from recognition.engine.mxnet_scrfd import ScrfdDetector
        from recognition.engine.pack_nets import PackNets

        manifest = verify_pack(pack_dir)
        nets = PackNets(pack_dir, threads=threads, device=device, precision=precision)
        detectors = {"mtcnn": MtcnnDetector, "scrfd": ScrfdDetector}
        try:
            detector = detectors[manifest.detector](nets)
            embedder = FaceEmbedder(nets, manifest)
        except (KeyError, ValueError) as error:
            raise PackError(f"The pack {manifest.name} cannot be loaded: {error}") from error
        return cls(manifest, detector, embedder, nets.describe())

    @property
    def pack_name(self) -> str:
        return self.manifest.name

    def warm(self) -> None:
        """Runs every net once at its common shapes, so that the first photo does not pay for it."""
        image = builtin_faces.scene(*WARM_UP)
        self.detector.detect([image])
        points = np.array([[280, 220], [360, 220], [320, 270], [290, 310], [350, 310]], "float32")
        for count in (1, 2, 4):
            self.embedder.embed([(image, points)] * count, "probe")

    def analyse(
        self,
        photos: Sequence[bytes],
        *,
        purposes: Sequence[Purpose],
        max_bytes: int = MAX_BYTES,
        max_pixels: int = MAX_PIXELS,
    ) -> list[PhotoAnalysis | PhotoError]:
        """The faces of each photo, or why it cannot be used; a bad photo does not touch the others.

        purposes: for each photo "probe" or "enrol"; an enrolled face is embedded from more views.
        """
        timings: dict[str, float] = {}
        limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
        with _timed(timings, "decode"):
            decoded = [_decode(photo, limits) for photo in photos]
        usable = [number for number, image in enumerate(decoded) if not isinstance(image, PhotoError)]
        with _timed(timings, "detect"):
            found = self.finder.find([decoded[number].image for number in usable])
        with _timed(timings, "decode"):
            seen = [_fine_enough(photos[n], decoded[n], one, limits) for n, one in zip(usable, found, strict=True)]
        results: list[PhotoAnalysis | PhotoError] = list(decoded)
        with _timed(timings, "embed"):
            faces = self._faces(seen, [purposes[number] for number in usable])
        for number, (one, _), photo_faces in zip(usable, seen, faces, strict=True):
            size = decoded[number].width, decoded[number].height
            results[number] = PhotoAnalysis(*size, one.rotation, photo_faces, timings)
        return results

    def embed_crops(self, crops: Sequence[Crop], *, purpose: Purpose = "enrol") -> np.ndarray:
        """Embeds kept crops again, as another pack needs it; float32 (n, dim)."""
        return self.embedder.embed([(decode(crop.jpeg), crop.landmarks) for crop in crops], purpose)

    def _faces(self, seen: Sequence[Seen], purposes: Sequence[Purpose]) -> list[tuple[Face, ...]]:
        """Aligns, assesses and embeds the faces of all photos, probes and enrolments each in one go."""
        vectors: dict[tuple[int, int], np.ndarray] = {}
        for purpose in set(purposes):
            keys = [
                (n, k) for n, (found, _) in enumerate(seen) if purposes[n] == purpose for k in range(len(found.faces))
            ]
            pairs = [(seen[n][0].image, seen[n][0].faces[k].landmarks) for n, k in keys]
            vectors |= dict(zip(keys, self.embedder.embed(pairs, purpose), strict=True))
        return [
            tuple(_face(found, step, detection, vectors[n, k]) for k, detection in enumerate(found.faces))
            for n, (found, step) in enumerate(seen)
        ]


def _face(found: Found, step: int, detection: Detection, embedding: np.ndarray) -> Face:
    in_photo = enlarged(detection, step)
    quality = assess(QUALITY_CHIP.chip(found.image, detection.landmarks), in_photo)
    crop = margin_crop(found.image, detection.box, detection.landmarks)
    shape = [side * step for side in found.image.shape[:2]]
    box, landmarks = turn_back(in_photo.box, in_photo.landmarks, found.rotation, shape)
    return Face(box, landmarks, detection.score, quality, crop, embedding)


def _fine_enough(photo: bytes, decoded: Decoded, found: Found, limits: dict[str, int]) -> Seen:
    """Decodes the photo whole where it was reduced and one of its faces is then too small for its crop."""
    if decoded.shrink == 1:
        return found, 1
    if all(max(face.box.width, face.box.height) >= FINE_FACE for face in found.faces):
        return found, decoded.shrink
    whole = decode(photo, **limits)
    return in_finer_image(found, whole, decoded.shrink), 1


def _decode(photo: bytes, limits: dict[str, int]) -> Decoded | PhotoError:
    try:
        return decode_reduced(photo, REDUCED_LONG_SIDE, **limits)
    except PhotoError as error:
        return error


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = round(timings.get(stage, 0.0) + (time.perf_counter() - start) * 1000, 2)
