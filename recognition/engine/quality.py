"""Rates how suitable a face is for recognition by its size, sharpness, light and pose.

Each measure has two limits. A face beyond a POOR limit gets a reason: the strict gate refuses it, the standard gate warns.
Beyond an UNUSABLE limit a comparison would be a guess, and the decision is "unusable".
"""

from collections.abc import Iterator

import cv2
import numpy as np

from recognition.engine.base import Detection, Quality

# Distance between the eyes, px in the photo. ISO/IEC 19794-5 asks for at least 90; nets still work at a quarter of that.
POOR_EYE_DISTANCE, UNUSABLE_EYE_DISTANCE = 20.0, 9.0
# Variance of the Laplacian of the aligned grey chip.
POOR_SHARPNESS, UNUSABLE_SHARPNESS = 30.0, 5.0
# Mean and standard deviation of the chip's grey values, 0–255.
DARKEST, BRIGHTEST, POOR_CONTRAST, UNUSABLE_CONTRAST = 45.0, 220.0, 20.0, 6.0
# Degrees that the head is turned sideways, estimated from the landmarks.
POOR_YAW, UNUSABLE_YAW = 40.0, 75.0
POOR_DETECTION = 0.9


def assess(chip: np.ndarray, detection: Detection) -> Quality:
    """Measures a face. chip: aligned, uint8 RGB. detection: in px of the photo."""
    measures = _measures(chip, detection)
    reasons = tuple(_reasons(measures))
    usable = (
        measures["eye_distance"] >= UNUSABLE_EYE_DISTANCE
        and measures["sharpness"] >= UNUSABLE_SHARPNESS
        and measures["contrast"] >= UNUSABLE_CONTRAST
        and abs(measures["yaw"]) <= UNUSABLE_YAW
    )
    return Quality(_score(measures), {name: round(value, 3) for name, value in measures.items()}, reasons, usable)


def _measures(chip: np.ndarray, detection: Detection) -> dict[str, float]:
    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY)
    inner = grey[chip.shape[0] // 6 : -chip.shape[0] // 6, chip.shape[1] // 6 : -chip.shape[1] // 6]
    left, right, nose = detection.landmarks[:3].astype("float64")
    eyes = right - left
    distance = float(np.hypot(*eyes))
    along = float(np.dot(nose - (left + right) / 2, eyes)) / max(distance**2, 1e-9)
    return {
        "face_size": float(min(detection.box.width, detection.box.height)),
        "eye_distance": distance,
        "sharpness": float(cv2.Laplacian(inner, cv2.CV_64F).var()),
        "brightness": float(inner.mean()),
        "contrast": float(inner.std()),
        # The tip of the nose is about 0.6 eye distances in front of the eyes, so a turned head moves it by 0.6 tan(yaw).
        "yaw": float(np.degrees(np.arctan(along / 0.6))),
        "roll": float(np.degrees(np.arctan2(eyes[1], eyes[0]))),
        "detection_score": detection.score,
    }


def _reasons(measures: dict[str, float]) -> Iterator[str]:
    if measures["eye_distance"] < POOR_EYE_DISTANCE:
        yield "face_too_small"
    if measures["detection_score"] < POOR_DETECTION:
        yield "low_detection_score"
    light = DARKEST <= measures["brightness"] <= BRIGHTEST and measures["contrast"] >= POOR_CONTRAST
    if measures["sharpness"] < POOR_SHARPNESS or not light:
        yield "low_quality"
    if abs(measures["yaw"]) > POOR_YAW:
        yield "extreme_pose"


def _score(measures: dict[str, float]) -> float:
    """Multiplies each measure's share of what is plenty, and softens the product."""
    shares = [
        _ramp(measures["eye_distance"], UNUSABLE_EYE_DISTANCE, 60.0),
        _ramp(np.log(max(measures["sharpness"], 1e-9)), np.log(UNUSABLE_SHARPNESS), np.log(200.0)),
        _ramp(measures["contrast"], UNUSABLE_CONTRAST, 40.0),
        _ramp(measures["brightness"], 10.0, 80.0),
        _ramp(255.0 - measures["brightness"], 5.0, 50.0),
        _ramp(UNUSABLE_YAW - abs(measures["yaw"]), 0.0, UNUSABLE_YAW - 10.0),
        _ramp(measures["detection_score"], 0.5, 0.98),
    ]
    return round(float(np.prod(shares) ** (1 / 3)), 4)


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0.02, 1.0))
