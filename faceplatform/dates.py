"""Days that are the same for everybody."""

from datetime import date

from django.utils import timezone


def server_today() -> date:
    """The day in FACEPLATFORM_TIME_ZONE: consent ends by it, in whatever zone somebody reads the pages."""
    return timezone.localdate(timezone=timezone.get_default_timezone())
