"""Template tags of the components, in every template without {% load %}."""

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from faceplatform.web import languages

register = template.Library()
register.filter("retold", languages.retold)


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of the sprite (tools/icons.py), as large as the text around it; for decoration, so it has no name of its own."""
    return format_html(
        '<svg class="icon" width="20" height="20" aria-hidden="true"><use href="{}#{}"/></svg>',
        static("faceplatform/icons.svg"),
        name,
    )
