"""The real worker command, with a limit that is set once its pack is loaded and warm.

python worker_with_limits.py DATABASE memory|decoding
memory: it may take 100 MB more than now. decoding: one photo may take half a second to decode, however many scans it has.
"""

import os
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
os.environ["DJANGO_SETTINGS_MODULE"] = "faceplatform.settings"

import django

django.setup()

from django.conf import settings

settings.DATABASES["default"]["NAME"] = sys.argv[1]

from recognition.engine import jpeg
from recognition.engine.pipeline import Pipeline
from recognition.management.commands.recognition_worker import Command
from recognition.photos import decode_watch

warm = Pipeline.warm


def warm_then_limit(self) -> None:
    warm(self)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 100 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if sys.argv[2] == "memory":
    Pipeline.warm = warm_then_limit
else:
    decode_watch.LONGEST_DECODE = 0.5
    jpeg.MAX_SCANS = jpeg.MAX_SCANNED_PIXELS = 10**12
Command().run_from_argv(["manage.py", "recognition_worker"])
