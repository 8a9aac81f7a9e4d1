"""Whether an operator has to look after the backups."""

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from faceplatform.web.languages import retold
from recognition.backups.models import Backup
from recognition.backups.schedule import is_overdue


def backup_warning() -> str:
    """What is wrong with the daily backups, and what to do, in a sentence; empty if nothing is."""
    if settings.BACKUP_DIR is None:
        return _("No daily backups are made. Name a folder on another disk in FACEPLATFORM_BACKUP_DIR.")
    last, latest = Backup.objects.latest_daily(), Backup.objects.filter(kind=Backup.Kind.DAILY).first()
    if latest is not None and latest.error:
        return _("The last daily backup failed: %(reason)s It is tried again every hour.") % {
            "reason": retold(latest.error)
        }
    if is_overdue(timezone.now(), last.started_at if last else None):
        return _overdue(last)
    if last is not None and last.verification_error:
        text = _("The last daily backup cannot be restored: %(reason)s Make another one, and look at the disk.")
        return text % {"reason": retold(last.verification_error)}
    return ""


def _overdue(last: Backup | None) -> str:
    if last is None:
        return _("There is no daily backup, so it is overdue. See that the job worker runs, and its log.")
    made = f"{timezone.localtime(last.started_at):%Y-%m-%d %H:%M}"
    return _("The last daily backup is of %(time)s, so it is overdue. See that the job worker runs, and its log.") % {
        "time": made
    }
