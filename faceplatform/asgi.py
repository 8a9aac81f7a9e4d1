"""The web server's entry point."""

import os
import warnings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceplatform.settings")

import django
from django.conf import settings
from django.utils.module_loading import import_string

# WhiteNoise serves its small files through synchronous iterators; Django would warn about each of them.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
django.setup(set_prefix=False)

from faceplatform.database.limits import limit_waiting
from faceplatform.web.body_limit import KnownCallers, Room, Rooms, limit_body
from faceplatform.web.handler import Handler
from faceplatform.web.strangers import Strangers, limit_strangers

limit_waiting()
handler = Handler(settings.REQUESTS_AT_ONCE, settings.LANES)
known = KnownCallers(import_string(settings.KNOWN_CALLER), handler.threads)
application = limit_strangers(
    limit_body(
        handler,
        known=known,
        rooms=Rooms(photos=Room(*settings.PHOTO_BODIES_AT_ONCE), imports=Room(*settings.IMPORT_BODIES_AT_ONCE)),
    ),
    known=known,
    strangers=Strangers(settings.STRANGERS_PER_SECOND),
    trusted=settings.TRUSTED_PROXIES,
    cookies=settings.KNOWN_COOKIES,
)
