"""Makes, records and verifies the platform's own backups, and deletes the old ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from faceplatform import private_files, system_user
from faceplatform.errors import DomainError
from recognition.backups import making
from recognition.backups.encryption import parse_recipients
from recognition.backups.models import Backup
from recognition.backups.schedule import kept
from recognition.privacy.erasure import ERASURES_FILE, complete_list

Kind = Backup.Kind
KEPT_BEFORE = 3  # of the backups before upgrades and restores
SUFFIX = ".backup"
LOCK = 0xBAC00B  # advisory lock


def back_up(*, actor: Actor, path: Path, kind: Kind, say: Callable[[str], None] = lambda text: None) -> Backup:
    """Writes a backup to `path` and records it. What goes wrong is recorded too, and raised."""
    row = begin(kind=kind, file=path.name)
    try:
        if kind != Kind.MANUAL:
            own_folder()
        making.write_file(path, recipients=recipients(), say=say)
    except (DomainError, OSError) as error:
        fail(row, str(error))
        raise
    return finish(actor=actor, backup=row, size=path.stat().st_size)


def back_up_to_stream(*, actor: Actor, out: IO[bytes], say: Callable[[str], None] = lambda text: None) -> Backup:
    """The same to a stream, as standard output. Its size is not known."""
    row = begin(kind=Kind.MANUAL, file="-")
    try:
        making.write_to(out, recipients=recipients(), say=say)
    except (DomainError, OSError) as error:
        fail(row, str(error))
        raise
    return finish(actor=actor, backup=row, size=None)


def recipients() -> list[Any]:
    """The age keys that backups are encrypted for; none: they are not."""
    return parse_recipients(settings.BACKUP_RECIPIENTS)


def begin(*, kind: Kind, file: str) -> Backup:
    return Backup.objects.create(kind=kind, file=file, encrypted=bool(settings.BACKUP_RECIPIENTS))


def fail(backup: Backup, error: str) -> None:
    backup.error = error[:500] or "unknown"
    backup.finished_at = timezone.now()
    backup.save(update_fields=["error", "finished_at"])


@audited
def finish(*, actor: Actor, backup: Backup, size: int | None) -> Backup:
    """Records that a backup was made."""
    backup.finished_at, backup.size = timezone.now(), size
    backup.save(update_fields=["finished_at", "size"])
    audit.record(actor=actor, action="backup.made", target=backup, details={"kind": backup.kind, "size": size})
    return backup


def record_verification(backup: Backup, problem: str = "") -> None:
    """problem: why the backup cannot be restored; empty if it can."""
    backup.verified_at, backup.verification_error = timezone.now(), problem[:500]
    backup.save(update_fields=["verified_at", "verification_error"])


# --- The platform's own folder ----------------------------------------------------------------------------------------
def make_own(*, actor: Actor, kind: Kind, say: Callable[[str], None] = lambda text: None) -> Backup:
    """A backup in the folder of backups, named after its kind and time. Older ones that are not to be kept are deleted."""
    _tidy_up(kind)
    backup = back_up(actor=actor, path=own_path(kind), kind=kind, say=say)
    complete_list(own_folder() / ERASURES_FILE)
    delete_old(kind)
    return backup


def _tidy_up(kind: Kind) -> None:
    """What one that was killed has left."""
    rows = Backup.objects.filter(kind=kind, finished_at=None)
    rows.update(error=gettext_noop("It was interrupted."), finished_at=timezone.now())
    for partial in _folder().glob(f"faceplatform-{kind.value}-*.partial"):
        partial.unlink(missing_ok=True)


@contextmanager
def only_one() -> Iterator[bool]:
    """Whether no other process, on whichever machine, is making a backup of the platform's own at this moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        [acquired] = cursor.fetchone()
    try:
        yield acquired
    finally:
        if acquired:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def verify_own(backup: Backup) -> None:
    """Restores a backup of the folder into a scratch database and records how that went. One for a key cannot be."""
    if backup.encrypted:
        return
    try:
        with (own_folder() / backup.file).open("rb") as file:
            making.verify(file)
    except (DomainError, OSError) as error:
        record_verification(backup, str(error))
        raise
    record_verification(backup)


def own_folder() -> Path:
    """Where the platform's own backups are: the setting's folder, else one in the data directory. Made if it is not there."""
    folder = _folder()
    if not folder.exists():  # one that the operator made has rights of its own
        private_files.make_folder(folder, owner=system_user.owner())
    return folder


def _folder() -> Path:
    return settings.BACKUP_DIR or settings.DATA_DIR / "backups"


def own_path(kind: Kind, at: datetime | None = None) -> Path:
    at = at or timezone.now()
    ending = f"{SUFFIX}.age" if settings.BACKUP_RECIPIENTS else SUFFIX
    return _folder() / f"faceplatform-{kind.value}-{at:%Y%m%dT%H%M%SZ}{ending}"


def delete_old(kind: Kind) -> int:
    """Deletes the files of this kind that are not to be kept, of those that the platform made itself. Returns how many."""
    folder = own_folder()
    rows = [row for row in Backup.objects.made().filter(kind=kind, removed_at=None) if (folder / row.file).is_file()]
    times = [timezone.localtime(row.started_at) for row in rows]
    keep = kept(times, settings.BACKUP_KEEP) if kind == Kind.DAILY else set(sorted(times)[-KEPT_BEFORE:])
    deleted = 0
    for row, time in zip(rows, times, strict=True):
        if time not in keep:
            (folder / row.file).unlink(missing_ok=True)
            row.removed_at = timezone.now()
            row.save(update_fields=["removed_at"])
            deleted += 1
    return deleted
