"""The web server's entry point."""

import os
import warnings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceplatform.settings")

import django
from django.conf import settings

# WhiteNoise serves its small files through synchronous iterators; Django would warn about each of them.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
django.setup(set_prefix=False)

from faceplatform.web.body_limit import limit_body
from faceplatform.web.handler import Handler

application = limit_body(Handler(settings.REQUESTS_AT_ONCE), settings.MAX_UPLOAD_BYTES, settings.MAX_IMPORT_BYTES)
