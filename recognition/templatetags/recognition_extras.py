from django import template

from recognition.photos.quality_words import measures_in_words, reason_in_words

register = template.Library()
register.filter("reason", reason_in_words)


@register.filter
def milliseconds(value) -> str:
    """A time for people: “12 ms”, “1.4 s”."""
    if value in (None, ""):
        return "–"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


@register.filter
def rate(value) -> str:
    """A share for people: “2.5 %”, “0.012 %”; “–” where it is not known."""
    if value in (None, ""):
        return "–"
    return f"{value * 100:.2g} %" if value < 0.1 else f"{value * 100:.0f} %"


@register.inclusion_tag("recognition/_measures.html")
def measures(quality: dict) -> dict:
    """What was measured of a face; quality: {"measures": …, "reasons": …}."""
    return {"measures": measures_in_words(quality.get("measures") or {})}
