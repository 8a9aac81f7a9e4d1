from django import template

register = template.Library()


@register.filter
def milliseconds(value) -> str:
    """A time for people: “12 ms”, “1.4 s”."""
    if value in (None, ""):
        return "–"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
