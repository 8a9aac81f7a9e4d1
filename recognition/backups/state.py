"""Whether an operator has to look after the backups."""

from django.conf import settings
from django.utils import timezone

from recognition.backups.models import Backup
from recognition.backups.schedule import is_overdue


def backup_warning() -> str:
    """What is wrong with the daily backups, and what to do, in a sentence; empty if nothing is."""
    if settings.BACKUP_DIR is None:
        return "No daily backups are made. Name a folder on another disk in FACEPLATFORM_BACKUP_DIR."
    last, latest = Backup.objects.latest_daily(), Backup.objects.filter(kind=Backup.Kind.DAILY).first()
    if latest is not None and latest.error:
        return f"The last daily backup failed: {latest.error} It is tried again every hour."
    if is_overdue(timezone.now(), last.started_at if last else None):
        made = f"The last daily backup is of {timezone.localtime(last.started_at):%Y-%m-%d %H:%M}" if last else ""
        since = made or "There is no daily backup"
        return f"{since}, so it is overdue. See that the job worker runs, and its log."
    if last is not None and last.verification_error:
        return f"The last daily backup cannot be restored: {last.verification_error} Make another one, and look at the disk."
    return ""
