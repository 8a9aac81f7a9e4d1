"""A real worker process that is killed outright while it embeds its second part.

Run by test_queue.py: python worker_killed_while_embedding.py DATABASE MODELS
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
os.environ["DJANGO_SETTINGS_MODULE"] = "faceplatform.settings"

import django

django.setup()

from django.conf import settings

settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.MODELS_DIR, settings.PRECISION = Path(sys.argv[2]), "fp32"

from recognition.engine.pipeline import Pipeline
from recognition.photos.worker import RecognitionWorker
from recognition.reembedding.embed import embed_part

embed_crops = Pipeline.embed_crops
parts = []


def deadly(self, crops, **options):
    found = embed_crops(self, crops, **options)
    parts.append(crops)
    if len(parts) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return found


Pipeline.embed_crops = deadly
worker = RecognitionWorker(settings.MODELS_DIR)
with worker.registered():
    while True:
        embed_part(worker)
