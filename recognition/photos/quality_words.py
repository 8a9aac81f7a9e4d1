"""The quality of a face in words: each measured value beside the accepted range, and what the reason codes mean."""

from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, pgettext

from recognition.engine import quality as limits


@dataclass(frozen=True, slots=True)
class Measure:
    """value and accepted (the range of good values) with their units. poor: whether the value is outside that range."""

    label: str
    value: str
    accepted: str
    poor: bool


REASONS = {
    "face_too_small": gettext_noop("too small: the eyes are too close together"),
    "low_detection_score": gettext_noop("not certain to be a face"),
    "low_quality": gettext_noop("blurred, badly lit or flat"),
    "truncated": gettext_noop("the file ends too early: a part of the photo is missing"),
    "extreme_pose": gettext_noop("turned too far away"),
    "presentation_attack": gettext_noop("may be a photo or a screen held up to the camera"),
}
# name, label, decimals, unit, least and most of a good value
RULES: tuple[tuple[str, str, int, str, float | None, float | None], ...] = (
    ("eye_distance", gettext_noop("Eye distance"), 0, " px", limits.POOR_EYE_DISTANCE, None),
    ("sharpness", gettext_noop("Sharpness"), 0, "", limits.POOR_SHARPNESS, None),
    ("brightness", gettext_noop("Brightness"), 0, "", limits.DARKEST, limits.BRIGHTEST),
    ("contrast", gettext_noop("Contrast"), 0, "", limits.POOR_CONTRAST, None),
    ("yaw", gettext_noop("Turned sideways"), 0, "°", None, limits.POOR_YAW),
    ("detection_score", gettext_noop("Detection score"), 2, "", limits.POOR_DETECTION, None),
)


def reason_in_words(code: str) -> str:
    """What a reason code means; an unknown code is returned as it is."""
    return _(REASONS[code]) if code in REASONS else code


def measures_in_words(measures: dict[str, Any]) -> list[Measure]:
    """The measures (name → value, from engine/quality.py) that matter, most important first; missing ones are left out."""
    described = []
    for name, label, decimals, unit, least, most in RULES:
        value = measures.get(name)
        if value is not None:
            poor = (least is not None and value < least) or (most is not None and abs(value) > most)
            shown = number_format(f"{value:.{decimals}f}") + unit
            described.append(Measure(_(label), shown, _accepted(least, most, unit), poor))
    return described


def _accepted(least: float | None, most: float | None, unit: str) -> str:
    values = {name: number_format(f"{limit:g}") + unit for name, limit in (("least", least), ("most", most)) if limit}
    if least is None:
        return _("at most %(most)s") % values
    return (_("at least %(least)s") if most is None else pgettext("range", "%(least)s to %(most)s")) % values
