"""A real worker process, except that a photo containing the word POISON kills it, and one containing SLOW takes a minute.

Run by test_worker.py and test_worker_parts.py: python worker_that_dies.py DATABASE [LEASE [--id ID]]
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
os.environ["DJANGO_SETTINGS_MODULE"] = "faceplatform.settings"

import django

django.setup()

from django.conf import settings

settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.LEASE_SECONDS = int(sys.argv[2]) if sys.argv[2:] else 2
given_id = UUID(sys.argv[4]) if sys.argv[4:] else None

from recognition.engine.pipeline import Pipeline
from recognition.photos.worker import RecognitionWorker

analyse = Pipeline.analyse


def deadly(self, photos, **options):
    if any(b"POISON" in photo for photo in photos):
        os.kill(os.getpid(), signal.SIGKILL)
    if any(b"SLOW" in photo for photo in photos):
        print("working", flush=True)
        time.sleep(60)
    return analyse(self, photos, **options)


Pipeline.analyse = deadly
RecognitionWorker(settings.MODELS_DIR, given_id=given_id).run(threading.Event())
