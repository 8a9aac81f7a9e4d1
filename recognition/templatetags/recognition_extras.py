"""Template filters and tags for times, rates and the quality of faces, and the form for photos of somebody who is there."""

from typing import Any

from django import template
from django.utils.formats import number_format

from accounts.pages import actor_of
from accounts.roles import Role
from gallery.models import Liveness
from recognition.cameras.models import Sighting
from recognition.photos.forms import LivenessForm, MorePhotosForm
from recognition.photos.liveness import SPOOF, is_installed, liveness_as_dict
from recognition.photos.quality_words import measures_in_words, reason_in_words

register = template.Library()
register.filter("reason", reason_in_words)


@register.filter
def milliseconds(value: float | str | None) -> str:
    """A time in readable form: “12 ms”, “1.4 s”; “–” if it is not known (None or empty). value: milliseconds."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.0f} ms" if value < 1000 else f"{number_format(f'{value / 1000:.1f}')} s"


@register.filter
def rate(value: float | str | None) -> str:
    """A fraction as a percentage: “2.5 %”, “0.012 %”; “–” if it is not known (None or empty)."""
    if not isinstance(value, int | float):
        return "–"
    return f"{number_format(f'{value * 100:.2g}')} %" if value < 0.1 else f"{value * 100:.0f} %"


@register.filter
def may_be_a_picture(sighting: Sighting) -> bool:
    """Whether its faces look like a photo or a screen held up to the camera. sighting: read by `with_faces`."""
    hint = liveness_as_dict([face.liveness for face in sighting.faces.all()])
    return hint is not None and hint["decision"] == SPOOF


@register.inclusion_tag("recognition/_liveness.html", takes_context=True)
def liveness_control(context: dict[str, Any]) -> dict[str, Any]:
    """The card in which owners say what the page's gallery makes of pictures held up to a camera."""
    gallery = context["gallery"]
    return {
        "gallery": gallery,
        "form": LivenessForm(initial={"liveness": gallery.liveness}),
        "may_change": actor_of(context["request"]).role_in(gallery) == Role.OWNER,
        "missing": gallery.liveness != Liveness.OFF and not is_installed(),
    }


@register.simple_tag
def more_photos_form() -> MorePhotosForm:
    """The empty form for photos of somebody who is there."""
    return MorePhotosForm()


@register.inclusion_tag("recognition/_measures.html")
def measures(quality: dict[str, Any]) -> dict[str, Any]:
    """Shows the quality measures of a face. quality: {"measures": …, "reasons": …}, as stored with a sample."""
    return {"measures": measures_in_words(quality.get("measures") or {})}
