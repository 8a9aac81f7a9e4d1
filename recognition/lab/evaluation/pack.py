"""An installed pack as what the protocol evaluates: chips of any set's images, and vectors of chips."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recognition.engine.align import ALIGNMENTS, Alignment
from recognition.engine.base import Detection
from recognition.engine.find import UprightPhoto
from recognition.engine.image import decode_reduced
from recognition.engine.pipeline import REDUCED_LONG_SIDE, Pipeline
from recognition.lab.evaluation.embedding import Progress, Unusable, crops, each
from recognition.lab.evaluation.protocol import VerificationResult, verify
from recognition.lab.evaluation.sets import LARGEST_IMAGE, VerificationSet

CROPS = ALIGNMENTS["arcface-112"]  # of every aligned set
TEMPLATE = CROPS.targets.astype("float32")
FARTHEST = 10.0  # px on average from the template, of 112; frontal faces are 2 from it, strong profiles 6
NO_FACE = "No face was found."


class PackUnderTest:
    """A loaded pack. Its nets run as in daily use, in the precision that this machine is fastest with."""

    def __init__(self, pipeline: Pipeline):
        self.pipeline, self.manifest = pipeline, pipeline.manifest
        self.alignment = ALIGNMENTS[self.manifest.alignment]
        self._by_template = 0

    @classmethod
    def load(cls, pack_dir: Path, *, device: str = "cpu", precision: str = "auto") -> "PackUnderTest":
        """Raises PackError, DeviceError."""
        return cls(Pipeline.load(pack_dir, device=device, precision=precision))

    def verify(self, pairs: VerificationSet, progress: Progress | None = None) -> VerificationResult:
        """The pack on a set: aligned crops brought to the pack's own alignment, photos searched for a face."""
        self._by_template = 0
        result = verify(
            self.embed,
            pairs,
            chips=self.chips_of_crops if pairs.aligned else self.chips_of_photos,
            metric=self.manifest.metric,
            threshold=self.manifest.threshold_1to1,
            progress=progress,
        )
        result.engine = self.pipeline.engine
        if self._by_template:
            result.notes.append(
                f"In {self._by_template} of {result.images} crops the pack's detector saw no face where the set's alignment "
                "has one: they were aligned by where its template has eyes and nose."
            )
        return result

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """What the net itself gives; float32 (n, dim)."""
        return self.pipeline.embedder.embed_chips(list(chips))

    def chips_of_crops(self, images: Sequence[np.ndarray | bytes]) -> list[np.ndarray | Unusable]:
        """Crops of an aligned set for this pack; as they are, where it takes such crops.

        Else the pack's own detector says where eyes and nose are, as in daily use: that is more exact than the template,
        which is the best fit of five points (docs/evaluation.md has the figures). Where it sees no face, or one elsewhere
        than the template has it, the template is what remains.
        """
        made = crops(images)
        if self.alignment is CROPS:
            return made
        usable = [crop for crop in made if not isinstance(crop, Unusable)]
        found = iter(self.pipeline.finder.find(usable))
        return [crop if isinstance(crop, Unusable) else self._realigned(crop, next(found)) for crop in made]

    def _realigned(self, crop: np.ndarray, found: UprightPhoto) -> np.ndarray:
        landmarks = TEMPLATE
        if found.faces and not found.rotation:
            seen = subject(found).landmarks
            if np.abs(seen - TEMPLATE).mean() <= FARTHEST:
                landmarks = seen
        self._by_template += landmarks is TEMPLATE
        return self.alignment.chip(crop, landmarks)

    def chips_of_photos(self, images: Sequence[np.ndarray | bytes]) -> list[np.ndarray | Unusable]:
        """The face of each photo, found by the pack's detector."""
        return aligned_faces(self.pipeline, images, self.alignment)


def aligned_faces(
    pipeline: Pipeline, images: Sequence[np.ndarray | bytes], alignment: Alignment
) -> list[np.ndarray | Unusable]:
    """Finds the face a photo is about and aligns it; uint8 RGB (chip_size, chip_size, 3) each."""
    decoded = each(_decoded, images)
    usable = [image for image in decoded if not isinstance(image, Unusable)]
    found = iter(pipeline.finder.find(usable))
    return [image if isinstance(image, Unusable) else _chip(next(found), alignment) for image in decoded]


def _decoded(image: np.ndarray | bytes) -> np.ndarray:
    if isinstance(image, np.ndarray):
        return image
    return decode_reduced(image, REDUCED_LONG_SIDE, max_bytes=LARGEST_IMAGE).image


def _chip(found: UprightPhoto, alignment: Alignment) -> np.ndarray | Unusable:
    if not found.faces:
        return Unusable(NO_FACE)
    return alignment.chip(found.image, subject(found).landmarks)


def subject(found: UprightPhoto) -> Detection:
    """The face that a photo of one person is about: large, and near the middle.

    As FaceNet chose them for LFW (align_dataset_mtcnn.py): the box's area less twice the squared distance to the middle.
    """
    height, width = found.image.shape[:2]

    def weight(face: Detection) -> float:
        box = face.box
        across, down = box.x + box.width / 2 - width / 2, box.y + box.height / 2 - height / 2
        return box.width * box.height - 2 * (across**2 + down**2)

    return max(found.faces, key=weight)
