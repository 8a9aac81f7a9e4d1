"""Camera workers under the supervisor: when one dies, its cameras are read by another at once."""

import sys
from collections.abc import Iterable

from django.conf import settings

from faceplatform.env import OWNER_URL
from recognition.cameras import claims
from recognition.photos.worker_parts import WorkerPart


def camera_parts(numbers: Iterable[int]) -> list[WorkerPart]:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "camera_worker"]
    return [
        WorkerPart(f"cameras-{number}", command, without=[OWNER_URL], release=claims.worker_died) for number in numbers
    ]
