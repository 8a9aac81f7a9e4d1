"""The web server's entry point."""

import os
import warnings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceplatform.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application

# WhiteNoise streams its small files synchronously; Django warns of each.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
application = get_asgi_application()

from faceplatform.body_limit import limit_body
from faceplatform.later import answer_later

application = answer_later(application, settings.REQUESTS_AT_ONCE)
application = limit_body(application, settings.MAX_UPLOAD_BYTES, settings.MAX_IMPORT_BYTES)
