"""Each bar of the quality gate, on a real face made worse in one way at a time."""

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from recognition.engine.align import ALIGNMENTS
from recognition.engine.image import decode
from recognition.engine.quality import assess
from recognition.photos.quality_words import REASONS, measures_in_words, reason_in_words


@pytest.fixture(scope="module")
def face(pipeline, hopper):
    """A good face: its chip and its detection."""
    [[detection]] = pipeline.detector.detect([decode(hopper)])
    return ALIGNMENTS["dlib-150"].chip(decode(hopper), detection.landmarks), detection


def turned(detection):
    """The nose where a face turned by about 50 degrees has it."""
    landmarks = detection.landmarks.copy()
    landmarks[2] += (landmarks[1] - landmarks[0]) * 0.75
    return replace(detection, landmarks=landmarks)


WORSE = {
    "blurred": (lambda chip: cv2.GaussianBlur(chip, (0, 0), 4), None, "low_quality", "Sharpness"),
    "dark": (lambda chip: (chip * 0.12).astype("uint8"), None, "low_quality", "Brightness"),
    "bright": (lambda chip: np.clip(chip * 0.2 + 215, 0, 255).astype("uint8"), None, "low_quality", "Brightness"),
    "flat": (lambda chip: (chip * 0.12 + 110).astype("uint8"), None, "low_quality", "Contrast"),
    "tiny": (None, lambda d: replace(d, landmarks=d.landmarks * np.float32(0.1)), "face_too_small", "Eye distance"),
    "turned": (None, turned, "extreme_pose", "Turned sideways"),
    "doubtful": (None, lambda d: replace(d, score=0.85), "low_detection_score", "Detection score"),
}


def test_a_good_face_has_no_reason(face):
    quality = assess(*face)
    assert (quality.reasons, quality.usable) == ((), True)
    assert not any(measure.poor for measure in measures_in_words(quality.measures))


@pytest.mark.parametrize("how", WORSE)
def test_a_face_that_is_poor_in_one_way_says_which(face, how):
    worsen_chip, worsen_detection, reason, label = WORSE[how]
    chip, detection = face
    worse = assess(
        worsen_chip(chip) if worsen_chip else chip, worsen_detection(detection) if worsen_detection else detection
    )
    assert reason in worse.reasons
    assert worse.score < assess(chip, detection).score
    assert label in [measure.label for measure in measures_in_words(worse.measures) if measure.poor]


def test_every_reason_has_words(face):
    for _, _, reason, _ in WORSE.values():
        assert reason_in_words(reason) == REASONS[reason]
    assert reason_in_words("something_new") == "something_new"
    assert measures_in_words({}) == []


def worse_photo(hopper: bytes, how: str) -> bytes:
    with Image.open(io.BytesIO(hopper)) as image:
        image = image.convert("RGB")
        if how == "blurred":
            image = image.resize((64, 75)).resize(image.size, Image.Resampling.BICUBIC)
        elif how == "dark":
            image = image.point(lambda value: value * 0.18)
        else:
            small = image.resize((96, 112))
            image = Image.new("RGB", (900, 900), "grey")
            image.paste(small, (300, 300))
        out = io.BytesIO()
        image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("how", "reason"), [("blurred", "low_quality"), ("dark", "low_quality"), ("tiny", "face_too_small")]
)
def test_a_poor_photo_is_found_with_its_reason(pipeline, hopper, how, reason):
    [analysis] = pipeline.analyse([worse_photo(hopper, how)], purposes=["enrol"])
    [found] = analysis.faces
    assert reason in found.quality.reasons
