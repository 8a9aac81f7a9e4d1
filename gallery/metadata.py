"""How much a person's `metadata` may hold: it is read, compared, stored and kept in the history with each change."""

import json

from django.utils.translation import gettext as _

from faceplatform.errors import InvalidInput

MAX_BYTES = 64 * 1024
MAX_VALUES = 1000
MAX_LEVELS = 8


def require_bounded(metadata: object) -> None:
    """Raises InvalidInput if the metadata has too many values, levels or bytes."""
    waiting, values = [(metadata, 1)], 0
    while waiting:
        value, level = waiting.pop()
        values += 1
        if level > MAX_LEVELS:
            raise InvalidInput(
                _("metadata is nested too deeply. Send it with at most %(most)s levels.") % {"most": MAX_LEVELS}
            )
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if values + len(inner) > MAX_VALUES:
            raise InvalidInput(_("metadata has too many values. Send at most %(most)s.") % {"most": MAX_VALUES})
        waiting += [(each, level + 1) for each in inner]
    if len(json.dumps(metadata, ensure_ascii=False).encode(errors="surrogatepass")) > MAX_BYTES:
        message = _("metadata is larger than %(most)s KiB. Keep large data elsewhere, and a reference here.")
        raise InvalidInput(message % {"most": MAX_BYTES // 1024})
