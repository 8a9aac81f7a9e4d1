"""What was measured of a face, in words: each value, the bar it is held to, and what a reason code means."""

from dataclasses import dataclass
from typing import Any

from recognition.engine import quality as bars


@dataclass(frozen=True, slots=True)
class Measure:
    """value and wanted with their units. poor: whether the value misses the bar."""

    label: str
    value: str
    wanted: str
    poor: bool


REASONS = {
    "face_too_small": "too small: the eyes are too close together",
    "low_detection_score": "not surely a face",
    "low_quality": "blurred, badly lit or flat",
    "extreme_pose": "turned too far away",
}


def reason_in_words(code: str) -> str:
    """A reason code for people; an unknown one as it is."""
    return REASONS.get(code, code)


def measures_in_words(measures: dict[str, Any]) -> list[Measure]:
    """The measures of engine/quality.py that count, in the order of what matters; those that are missing are left out."""
    found = []
    for name, label, form, wanted, is_poor in _RULES:
        value = measures.get(name)
        if value is not None:
            found.append(Measure(label, form.format(value), wanted, is_poor(value)))
    return found


_RULES = (
    ("eye_distance", "Eye distance", "{:.0f} px", f"{bars.POOR_EYE_DISTANCE:.0f} px and more",
     lambda v: v < bars.POOR_EYE_DISTANCE),
    ("sharpness", "Sharpness", "{:.0f}", f"{bars.POOR_SHARPNESS:.0f} and more", lambda v: v < bars.POOR_SHARPNESS),
    ("brightness", "Brightness", "{:.0f}", f"{bars.DARKEST:.0f} to {bars.BRIGHTEST:.0f}",
     lambda v: not bars.DARKEST <= v <= bars.BRIGHTEST),
    ("contrast", "Contrast", "{:.0f}", f"{bars.POOR_CONTRAST:.0f} and more", lambda v: v < bars.POOR_CONTRAST),
    ("yaw", "Turned sideways", "{:.0f}°", f"at most {bars.POOR_YAW:.0f}°", lambda v: abs(v) > bars.POOR_YAW),
    ("detection_score", "Surely a face", "{:.2f}", f"{bars.POOR_DETECTION} and more", lambda v: v < bars.POOR_DETECTION),
)  # fmt: skip
