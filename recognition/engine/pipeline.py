"""Turns photo files into faces, several photos at a time: decodes, detects, aligns, assesses and embeds."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
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
from recognition.engine.find import Finder, UprightPhoto, enlarged, in_full_photo, turn_back
from recognition.engine.image import MAX_BYTES, MAX_PIXELS, Decoded, decode, decode_reduced
from recognition.engine.liveness_nets import OptionalLiveness
from recognition.engine.manifest import Manifest, PackError, verify_pack
from recognition.engine.quality import assess
from recognition.engine.texts import gettext_noop

# Detectors shrink photos to a long side of 1280 px, so larger JPEGs are decoded at a smaller size. If a face is then too
# small to fill its crop, its photo is decoded again at full size.
REDUCED_LONG_SIDE = 1280
LARGE = (
    2 * REDUCED_LONG_SIDE
)  # px; in a photo from this long side on, a face may be too small only because it was shrunk
FULL_CROP_FACE = CROP_LONG_SIDE / CROP_MARGIN  # px; the long side of a face that fills its crop
QUALITY_CHIP = ALIGNMENTS["dlib-150"]  # for every pack, so that the limits of quality.py mean the same for all
WARM_UP = (640, 480)
CAMERA_FACE = 40.0  # px; detectors find faces from about this size on, so larger pictures are not needed


class Pipeline:
    """A loaded model pack. liveness: tells faces from pictures of faces, where that is asked for; None: nothing does."""

    def __init__(
        self, manifest: Manifest, detector: Detector, embedder: Embedder, engine: dict[str, Any] | None = None
    ):
        self.manifest = manifest
        self.detector = detector
        self.finder = Finder(detector)
        self.embedder = embedder
        self.engine = engine or {}  # what runs where and why; see PackNets.describe
        self.liveness: OptionalLiveness | None = None

    @classmethod
    def load(
        cls,
        pack_dir: Path,
        *,
        threads: int = 1,
        device: str = "cpu",
        precision: str = "auto",
        runtime: str = "mxnet",
        cache_dir: Path | None = None,
    ) -> "Pipeline":
        """Checks the pack's files, loads its nets and picks the form of each that is fastest on this machine.

        threads: for computing. device: cpu, gpu or gpu:N. precision: auto, fp32 or bf16. runtime: auto, mxnet or
        openvino. cache_dir: for OpenVINO's compiled models. Raises PackError, DeviceError.
        """
        from recognition.engine.mxnet_embedder import FaceEmbedder
        from recognition.engine.mxnet_mtcnn import MtcnnDetector
        from recognition.engine.mxnet_scrfd import ScrfdDetector
        from recognition.engine.mxnet_yunet import YunetDetector
        from recognition.engine.pack_nets import PackNets

        manifest = verify_pack(pack_dir)
        nets = PackNets(
            pack_dir, threads=threads, device=device, precision=precision, runtime=runtime, cache_dir=cache_dir
        )
        detectors: dict[str, Callable[[PackNets], Detector]] = {
            "mtcnn": MtcnnDetector,
            "scrfd": ScrfdDetector,
            "yunet": YunetDetector,
        }
        try:
            detector = detectors[manifest.detector](nets)
            embedder = FaceEmbedder(nets, manifest)
        except (KeyError, ValueError) as error:
            message = gettext_noop("The pack %(pack)s cannot be loaded: %(error)s")
            raise PackError(message % {"pack": manifest.name, "error": error}) from error
        return cls(manifest, detector, embedder, nets.describe())

    @property
    def pack_name(self) -> str:
        return self.manifest.name

    def warm(self) -> None:
        """Runs every net once at its common shapes, so that the first photo does not have to wait for that."""
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
        live: Sequence[bool] | None = None,
        max_bytes: int = MAX_BYTES,
        max_pixels: int = MAX_PIXELS,
        decoding: Callable[[int], AbstractContextManager[None]] = lambda number: nullcontext(),
    ) -> list[PhotoAnalysis | PhotoError]:
        """Returns the faces of each photo, or why it cannot be used. A bad photo does not affect the others.

        purposes: "probe" or "enrol" for each photo; a face to be enrolled is embedded from more views. live: whether to tell
        each photo's faces from pictures of faces; no by default. decoding: entered while a photo is decoded, with its place
        in `photos`.
        """
        timings: dict[str, float] = {}
        limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
        with _timed(timings, "decode"):
            decoded_or_error = [
                (number, _decode(photo, limits, decoding(number))) for number, photo in enumerate(photos)
            ]
        decoded = {number: image for number, image in decoded_or_error if isinstance(image, Decoded)}
        results: dict[int, PhotoAnalysis | PhotoError] = {
            number: error for number, error in decoded_or_error if isinstance(error, PhotoError)
        }
        with _timed(timings, "detect"):
            upright = self.finder.find([image.image for image in decoded.values()])
        upright = [
            self._looked_closer(photos[number], image, photo, limits, decoding(number), timings)
            for (number, image), photo in zip(decoded.items(), upright, strict=True)
        ]
        with _timed(timings, "embed"):
            wanted = [live is not None and live[number] for number in decoded]
            faces = self._faces(upright, [purposes[number] for number in decoded], wanted)
        for (number, image), photo, its_faces in zip(decoded.items(), upright, faces, strict=True):
            results[number] = PhotoAnalysis(
                image.width, image.height, photo.rotation, its_faces, timings, image.warnings
            )
        return [results[number] for number in range(len(photos))]

    def _looked_closer(
        self,
        data: bytes,
        decoded: Decoded,
        photo: UprightPhoto,
        limits: dict[str, int],
        decoding: AbstractContextManager[None],
        timings: dict[str, float],
    ) -> UprightPhoto:
        """Decodes a reduced photo again at full size where that helps: to find a face at all, or to fill its crop."""
        if photo.faces:
            with _timed(timings, "decode"):
                return _with_large_faces(data, decoded, photo, limits, decoding)
        if max(decoded.width, decoded.height) < LARGE:
            return replace(photo, step=decoded.shrink)
        full = decoded
        if decoded.shrink > 1:
            with _timed(timings, "decode"), decoding:
                full = decode_reduced(data, None, **limits)
        with _timed(timings, "detect"):
            return replace(self.finder.find_in_tiles(full.image), step=full.shrink)

    def look(
        self, images: Sequence[np.ndarray], *, min_face_px: float, live: Sequence[bool] | None = None
    ) -> list[tuple[Face, ...]]:
        """The faces of several cameras' pictures, uint8 RGB, as they are: upright, and of at least about `min_face_px`.

        live: as in `analyse`.
        """
        shrunk = [_shrunk(image, max(1.0, min_face_px / CAMERA_FACE)) for image in images]
        found = self.detector.detect(shrunk) if shrunk else []
        upright = [
            UprightPhoto(image, 0, [enlarged(face, image.shape[1] / small.shape[1]) for face in faces])
            for image, small, faces in zip(images, shrunk, found, strict=True)
        ]
        return self._faces(upright, ["probe"] * len(upright), live or [False] * len(upright))

    def embed_crops(self, crops: Sequence[Crop], *, purpose: Purpose = "enrol") -> np.ndarray:
        """Embeds kept crops, as another pack needs it; float32 (n, dim)."""
        return self.embedder.embed([(decode(crop.jpeg), crop.landmarks) for crop in crops], purpose)

    def _faces(
        self, photos: Sequence[UprightPhoto], purposes: Sequence[Purpose], live: Sequence[bool]
    ) -> list[tuple[Face, ...]]:
        """Aligns, assesses and embeds the faces of all photos; all probes are embedded together, and all enrolments."""
        scores = self._liveness_scores(photos, live)
        vectors: dict[tuple[int, int], np.ndarray] = {}
        for purpose in set(purposes):
            keys = [(n, k) for n, photo in enumerate(photos) if purposes[n] == purpose for k in range(len(photo.faces))]
            pairs = [(photos[n].image, photos[n].faces[k].landmarks) for n, k in keys]
            vectors |= dict(zip(keys, self.embedder.embed(pairs, purpose), strict=True))
        return [
            tuple(_face(photo, face, vectors[n, k], scores.get((n, k))) for k, face in enumerate(photo.faces))
            for n, photo in enumerate(photos)
        ]

    def _liveness_scores(self, photos: Sequence[UprightPhoto], live: Sequence[bool]) -> dict[tuple[int, int], float]:
        """Of the faces of the photos for which it is wanted, by photo and face; empty where the nets are missing."""
        keys = [(n, k) for n, photo in enumerate(photos) if live[n] for k in range(len(photo.faces))]
        nets = self.liveness.nets() if keys and self.liveness else None
        if nets is None:
            return {}
        return dict(zip(keys, nets.scores([(photos[n].image, photos[n].faces[k].box) for n, k in keys]), strict=True))


def _shrunk(image: np.ndarray, step: float) -> np.ndarray:
    if step == 1:
        return image
    height, width = (max(1, round(side / step)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _face(photo: UprightPhoto, detection: Detection, embedding: np.ndarray, liveness: float | None) -> Face:
    at_full_size = enlarged(detection, photo.step)
    quality = assess(QUALITY_CHIP.chip(photo.image, detection.landmarks), at_full_size)
    crop = margin_crop(photo.image, detection.box, detection.landmarks)
    shape = [side * photo.step for side in photo.image.shape[:2]]
    box, landmarks = turn_back(at_full_size.box, at_full_size.landmarks, photo.rotation, shape)
    return Face(box, landmarks, detection.score, quality, crop, embedding, liveness)


def _with_large_faces(
    data: bytes,
    decoded: Decoded,
    photo: UprightPhoto,
    limits: dict[str, int],
    decoding: AbstractContextManager[None],
) -> UprightPhoto:
    """Decodes a reduced photo again at full size if one of its faces is too small to fill its crop."""
    reduced = replace(photo, step=decoded.shrink)
    if decoded.shrink == 1 or all(max(face.box.width, face.box.height) >= FULL_CROP_FACE for face in photo.faces):
        return reduced
    with decoding:
        full = decode_reduced(data, None, **limits)
    if full.shrink == decoded.shrink:
        return reduced
    return in_full_photo(replace(reduced, step=decoded.shrink // full.shrink), full.image, step=full.shrink)


def _decode(photo: bytes, limits: dict[str, int], decoding: AbstractContextManager[None]) -> Decoded | PhotoError:
    try:
        with decoding:
            return decode_reduced(photo, REDUCED_LONG_SIDE, **limits)
    except PhotoError as error:
        return error


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = round(timings.get(stage, 0.0) + (time.perf_counter() - start) * 1000, 2)
