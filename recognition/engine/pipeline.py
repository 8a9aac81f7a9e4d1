"""From photo files to faces: decode, detect, align, assess, embed – several photos at a time."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.align import ALIGNMENTS, margin_crop
from recognition.engine.base import (
    Box,
    Crop,
    Detection,
    Detector,
    Embedder,
    Face,
    PhotoAnalysis,
    PhotoError,
    Purpose,
)
from recognition.engine.image import MAX_BYTES, MAX_PIXELS, decode
from recognition.engine.quality import assess
from recognition.packs.manifest import Manifest, PackError, verify_pack

BORDER = 0.25  # of the photo's sides; a tight crop shows a face only with room around it
QUALITY_CHIP = ALIGNMENTS["dlib-150"]  # of every pack, so that the bars of quality.py mean the same for all
WARM_UP = (640, 480)
# An image as its faces stand upright, by how many degrees it was turned for that, and the faces in it.
Found = tuple[np.ndarray, int, list[Detection]]


class Pipeline:
    """A model pack, loaded."""

    def __init__(self, manifest: Manifest, detector: Detector, embedder: Embedder, engine: dict | None = None):
        self.manifest = manifest
        self.detector = detector
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
        with _timed(timings, "decode"):
            images = [_decode(photo, max_bytes, max_pixels) for photo in photos]
        usable = [number for number, image in enumerate(images) if not isinstance(image, PhotoError)]
        with _timed(timings, "detect"):
            found = self._detect([images[number] for number in usable])
        results: list[PhotoAnalysis | PhotoError] = list(images)
        with _timed(timings, "embed"):
            faces = self._faces(found, [purposes[number] for number in usable])
        for number, (_, rotation, _), photo_faces in zip(usable, found, faces, strict=True):
            height, width = images[number].shape[:2]
            results[number] = PhotoAnalysis(width, height, rotation, photo_faces, timings)
        return results

    def embed_crops(self, crops: Sequence[Crop], *, purpose: Purpose = "enrol") -> np.ndarray:
        """Embeds kept crops again, as another pack needs it; float32 (n, dim)."""
        return self.embedder.embed([(decode(crop.jpeg), crop.landmarks) for crop in crops], purpose)

    def _detect(self, images: Sequence[np.ndarray]) -> list[Found]:
        first = self.detector.detect(images) if images else []
        return [
            self._upright(image, 0, faces) if faces else self._look_again(image)
            for image, faces in zip(images, first, strict=True)
        ]

    def _look_again(self, image: np.ndarray) -> Found:
        """Nothing was found: with a border around it, then turned by 90, 180 and 270 degrees."""
        if faces := self._detect_with_border(image):
            return self._upright(image, 0, faces)
        for quarter in (1, 2, 3):
            turned = np.ascontiguousarray(np.rot90(image, quarter))
            if faces := self.detector.detect([turned])[0]:
                return self._upright(turned, 90 * quarter, faces)
        return image, 0, []

    def _upright(self, image: np.ndarray, rotation: int, faces: list[Detection]) -> Found:
        """Turns the image where its faces, though found, lie on their side or head, and finds them again."""
        quarters = self.detector.quarter_turns(image, faces)
        if quarters:
            turned = np.ascontiguousarray(np.rot90(image, quarters))
            if again := self.detector.detect([turned])[0]:
                return turned, (rotation + 90 * quarters) % 360, again
        return image, rotation, faces

    def _detect_with_border(self, image: np.ndarray) -> list[Detection]:
        top, left = (int(side * BORDER) for side in image.shape[:2])
        wide = np.pad(image, ((top, top), (left, left), (0, 0)))
        return [
            Detection(
                Box(face.box.x - left, face.box.y - top, face.box.width, face.box.height),
                face.landmarks - np.float32([left, top]),
                face.score,
            )
            for face in self.detector.detect([wide])[0]
        ]

    def _faces(self, found, purposes: Sequence[Purpose]) -> list[tuple[Face, ...]]:
        """Aligns, assesses and embeds the faces of all photos, probes and enrolments each in one go."""
        vectors: dict[tuple[int, int], np.ndarray] = {}
        for purpose in set(purposes):
            keys = [
                (n, k) for n, (_, _, faces) in enumerate(found) if purposes[n] == purpose for k in range(len(faces))
            ]
            pairs = [(found[n][0], found[n][2][k].landmarks) for n, k in keys]
            vectors |= dict(zip(keys, self.embedder.embed(pairs, purpose), strict=True))
        return [
            tuple(self._face(image, rotation, face, vectors[n, k]) for k, face in enumerate(faces))
            for n, (image, rotation, faces) in enumerate(found)
        ]

    def _face(self, image: np.ndarray, rotation: int, detection: Detection, embedding: np.ndarray) -> Face:
        quality = assess(QUALITY_CHIP.chip(image, detection.landmarks), detection)
        crop = margin_crop(image, detection.box, detection.landmarks)
        box, landmarks = turn_back(detection.box, detection.landmarks, rotation, image.shape)
        return Face(box, landmarks, detection.score, quality, crop, embedding)


def turn_back(box: Box, landmarks: np.ndarray, rotation: int, shape: tuple[int, ...]) -> tuple[Box, np.ndarray]:
    """Coordinates in an image turned counter-clockwise by `rotation` degrees, as those of the image before.

    shape: of the turned image. Landmarks keep their names, which are the face's own.
    """
    corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]])
    height, width = shape[:2]
    for _ in range(rotation // 90):
        corners, landmarks = (np.stack([height - p[:, 1], p[:, 0]], 1) for p in (corners, landmarks))
        height, width = width, height
    low, high = corners.min(0), corners.max(0)
    return Box(*low.tolist(), *(high - low).tolist()), landmarks.astype("float32")


def _decode(photo: bytes, max_bytes: int, max_pixels: int) -> np.ndarray | PhotoError:
    try:
        return decode(photo, max_bytes=max_bytes, max_pixels=max_pixels)
    except PhotoError as error:
        return error


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = round((time.perf_counter() - start) * 1000, 2)
