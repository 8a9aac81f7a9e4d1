"""The web server's entry point."""

import os
import warnings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceplatform.settings")

import django
from django.conf import settings

# WhiteNoise serves its small files through synchronous iterators; Django would warn about each of them.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
django.setup(set_prefix=False)

from faceplatform.database.limits import limit_waiting
from faceplatform.web.body_limit import limit_body
from faceplatform.web.handler import Handler

limit_waiting()
handler = Handler(settings.REQUESTS_AT_ONCE, settings.LANES)
application = limit_body(handler, settings.MAX_UPLOAD_BYTES, settings.MAX_IMPORT_BYTES)
