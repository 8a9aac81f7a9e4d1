"""The quality of a face in words: each measured value beside the accepted range, and what the reason codes mean."""

from dataclasses import dataclass
from typing import Any

from recognition.engine import quality as limits


@dataclass(frozen=True, slots=True)
class Measure:
    """value and accepted (the range of good values) with their units. poor: whether the value is outside that range."""

    label: str
    value: str
    accepted: str
    poor: bool


REASONS = {
    "face_too_small": "too small: the eyes are too close together",
    "low_detection_score": "not certain to be a face",
    "low_quality": "blurred, badly lit or flat",
    "truncated": "the file ends too early: a part of the photo is missing",
    "extreme_pose": "turned too far away",
    "presentation_attack": "may be a photo or a screen held up to the camera",
}


def reason_in_words(code: str) -> str:
    """What a reason code means; an unknown code is returned as it is."""
    return REASONS.get(code, code)


def measures_in_words(measures: dict[str, Any]) -> list[Measure]:
    """The measures (name → value, from engine/quality.py) that matter, most important first; missing ones are left out."""
    described = []
    for name, label, form, accepted, is_poor in _RULES:
        value = measures.get(name)
        if value is not None:
            described.append(Measure(label, form.format(value), accepted, is_poor(value)))
    return described


_RULES = (
    ("eye_distance", "Eye distance", "{:.0f} px", f"at least {limits.POOR_EYE_DISTANCE:.0f} px",
     lambda v: v < limits.POOR_EYE_DISTANCE),
    ("sharpness", "Sharpness", "{:.0f}", f"at least {limits.POOR_SHARPNESS:.0f}", lambda v: v < limits.POOR_SHARPNESS),
    ("brightness", "Brightness", "{:.0f}", f"{limits.DARKEST:.0f} to {limits.BRIGHTEST:.0f}",
     lambda v: not limits.DARKEST <= v <= limits.BRIGHTEST),
    ("contrast", "Contrast", "{:.0f}", f"at least {limits.POOR_CONTRAST:.0f}", lambda v: v < limits.POOR_CONTRAST),
    ("yaw", "Turned sideways", "{:.0f}°", f"at most {limits.POOR_YAW:.0f}°", lambda v: abs(v) > limits.POOR_YAW),
    ("detection_score", "Detection score", "{:.2f}", f"at least {limits.POOR_DETECTION}",
     lambda v: v < limits.POOR_DETECTION),
)  # fmt: skip
