"""Template filters and tags for times, rates and the quality of faces, and the form for photos of somebody who is there."""

from typing import Any

from django import template

from recognition.photos.forms import MorePhotosForm
from recognition.photos.quality_words import measures_in_words, reason_in_words

register = template.Library()
register.filter("reason", reason_in_words)


@register.filter
def milliseconds(value: float | str | None) -> str:
    """A time in readable form: “12 ms”, “1.4 s”; “–” if it is not known (None or empty). value: milliseconds."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


@register.filter
def rate(value: float | str | None) -> str:
    """A fraction as a percentage: “2.5 %”, “0.012 %”; “–” if it is not known (None or empty)."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value * 100:.2g} %" if value < 0.1 else f"{value * 100:.0f} %"


@register.simple_tag
def more_photos_form() -> MorePhotosForm:
    """The empty form for photos of somebody who is there."""
    return MorePhotosForm()


@register.inclusion_tag("recognition/_measures.html")
def measures(quality: dict[str, Any]) -> dict[str, Any]:
    """Shows the quality measures of a face. quality: {"measures": …, "reasons": …}, as stored with a sample."""
    return {"measures": measures_in_words(quality.get("measures") or {})}
