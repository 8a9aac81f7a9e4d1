"""An installed pack under the protocol: turns the images of any set into the pack's chips, and chips into vectors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recognition.engine.align import ALIGNMENTS, Alignment
from recognition.engine.base import Detection
from recognition.engine.find import UprightPhoto
from recognition.engine.image import decode_reduced
from recognition.engine.pipeline import REDUCED_LONG_SIDE, Pipeline
from recognition.lab.evaluation.embedding import OnProgress, Unusable, crops, try_each
from recognition.lab.evaluation.protocol import VerificationResult, verify
from recognition.lab.evaluation.sets import LARGEST_IMAGE, VerificationSet

CROPS = ALIGNMENTS["arcface-112"]  # how the crops of every aligned set are aligned
TEMPLATE = CROPS.targets.astype("float32")
# Mean distance in px (of 112) beyond which landmarks are not those of the crop's face. Frontal faces are 2 from the
# template, strong profiles 6.
FARTHEST = 10.0
NO_FACE = "No face was found."


class PackUnderTest:
    """A loaded pack. By default its nets run as in daily use, in the precision that is fastest on this machine."""

    def __init__(self, pipeline: Pipeline):
        self.pipeline, self.manifest = pipeline, pipeline.manifest
        self.alignment = ALIGNMENTS[self.manifest.alignment]
        self._aligned_by_template = 0  # crops

    @classmethod
    def load(
        cls,
        pack_dir: Path,
        *,
        device: str = "cpu",
        precision: str = "auto",
        runtime: str = "mxnet",
        cache_dir: Path | None = None,
    ) -> "PackUnderTest":
        """Raises PackError, DeviceError."""
        return cls(Pipeline.load(pack_dir, device=device, precision=precision, runtime=runtime, cache_dir=cache_dir))

    def verify(self, pairs: VerificationSet, progress: OnProgress | None = None) -> VerificationResult:
        """Evaluates the pack on a set. Crops are brought to the pack's alignment; in photos the face is found first."""
        self._aligned_by_template = 0
        result = verify(
            self.embed,
            pairs,
            chips=self.chips_of_crops if pairs.aligned else self.chips_of_photos,
            metric=self.manifest.metric,
            threshold=self.manifest.threshold_1to1,
            progress=progress,
        )
        result.engine = self.pipeline.engine
        if self._aligned_by_template:
            result.notes.append(
                f"In {self._aligned_by_template} of {result.images} crops the pack's detector found no face where the set's "
                "alignment has one. They were aligned by the template's eyes and nose instead."
            )
        return result

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """The net's own output for chips, uint8 RGB (n, size, size, 3); float32 (n, dim)."""
        return self.pipeline.embedder.embed_chips(list(chips))

    def chips_of_crops(self, images: Sequence[np.ndarray | bytes]) -> list[np.ndarray | Unusable]:
        """The crops of an aligned set as this pack's chips; unchanged if the pack takes such crops.

        Otherwise the pack's own detector finds eyes and nose, as in daily use. That is more exact than the template, which
        is a best fit of five points (docs/evaluation.md has the figures). If the detector finds no face, or one away from
        the template, the template's points are used.
        """
        set_crops = crops(images)
        if self.alignment is CROPS:
            return set_crops
        usable = [crop for crop in set_crops if not isinstance(crop, Unusable)]
        found = iter(self.pipeline.finder.find(usable))
        return [crop if isinstance(crop, Unusable) else self._realigned(crop, next(found)) for crop in set_crops]

    def _realigned(self, crop: np.ndarray, found: UprightPhoto) -> np.ndarray:
        landmarks = TEMPLATE
        if found.faces and not found.rotation:
            detected = subject(found).landmarks
            if np.abs(detected - TEMPLATE).mean() <= FARTHEST:
                landmarks = detected
        self._aligned_by_template += landmarks is TEMPLATE
        return self.alignment.chip(crop, landmarks)

    def chips_of_photos(self, images: Sequence[np.ndarray | bytes]) -> list[np.ndarray | Unusable]:
        """The face of each photo, found by the pack's detector, as a chip."""
        return aligned_faces(self.pipeline, images, self.alignment)


def aligned_faces(
    pipeline: Pipeline, images: Sequence[np.ndarray | bytes], alignment: Alignment
) -> list[np.ndarray | Unusable]:
    """Finds the main face of each photo (see subject) and aligns it; uint8 RGB (chip_size, chip_size, 3) each."""
    return [
        found if isinstance(found, Unusable) else alignment.chip(found.image, subject(found).landmarks)
        for found in photos_with_a_face(pipeline, images)
    ]


def photos_with_a_face(pipeline: Pipeline, images: Sequence[np.ndarray | bytes]) -> list[UprightPhoto | Unusable]:
    """Finds the faces of each photo; there is at least one."""
    decoded = try_each(_decoded, images)
    usable = [image for image in decoded if not isinstance(image, Unusable)]
    photos = iter([found if found.faces else Unusable(NO_FACE) for found in pipeline.finder.find(usable)])
    return [image if isinstance(image, Unusable) else next(photos) for image in decoded]


def _decoded(image: np.ndarray | bytes) -> np.ndarray:
    if isinstance(image, np.ndarray):
        return image
    return decode_reduced(image, REDUCED_LONG_SIDE, max_bytes=LARGEST_IMAGE).image


def subject(found: UprightPhoto) -> Detection:
    """The main face of a photo of one person: large, and near the middle. There must be a face.

    Chosen as FaceNet did for LFW (align_dataset_mtcnn.py): by the box's area minus twice the squared distance to the middle.
    """
    height, width = found.image.shape[:2]

    def weight(face: Detection) -> float:
        box = face.box
        across, down = box.x + box.width / 2 - width / 2, box.y + box.height / 2 - height / 2
        return box.width * box.height - 2 * (across**2 + down**2)

    return max(found.faces, key=weight)
