"""Puts a backup in the place of the platform's database. Until the last step, the present database stays as it is.

The backup is restored into a scratch database, compared and brought to this version; people and galleries that were erased
since are erased there again; then the two databases change names in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited, chain
from faceplatform.database import roles
from faceplatform.database.migration_state import applied_migrations, missing_migrations
from faceplatform.database.scratch import count_users_of, put_in_place
from faceplatform.errors import Conflict
from recognition.backups import making, services
from recognition.backups.making import Say
from recognition.backups.models import Backup
from recognition.engine.manifest import PackError
from recognition.packs.install import catalogue, install_pack
from recognition.photos.installed_packs import installed_manifests
from recognition.privacy.erasure import recorded_deletions, recorded_erasures, repeat_erasures
from recognition.privacy.gallery_deletion import repeat_deletions
from recognition.privacy.models import Erasure

FILLED = "There are {} here already. Nothing was changed. With --replace they are backed up first and then replaced."
IN_USE = (
    "The database is in use by {} other connections. Stop the platform on all machines, then run this again. "
    "Nothing was changed."
)
LEAVING_S = 5  # that those who have hung up may need to be gone


@dataclass
class Outcome:
    """What a restore did. erased: reports of what was erased again. replaced: where what was there before is kept."""

    manifest: dict[str, Any]
    erased: list[Erasure] = field(default_factory=list)
    replaced: Path | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """Who is to be erased again if they come back: people with the reason, and whole galleries."""

    people: dict[UUID, str]
    galleries: set[UUID]


def restore(
    file: IO[bytes],
    *,
    actor: Actor,
    replace: bool = False,
    erasures: Sequence[Path] = (),
    identity: Path | None = None,
    say: Say = lambda text: None,
) -> Outcome:
    """Restores a backup into an empty platform. replace: also into one that is in use for something.

    erasures: lists of erasures besides the one in the data directory. identity: the key of an encrypted backup. Raises
    BackupFileError, Conflict, InvalidInput, Unavailable; then nothing was changed.
    """
    connection.ensure_connection()
    own, runtime = str(connection.settings_dict["NAME"]), roles.current()
    with making.opened(file, identity=identity) as reader:
        filled = _content()
        if filled and not replace:
            raise Conflict(FILLED.format(filled))
        erased = _erased_here(erasures, filled=bool(filled))
        _disconnect()
        if users := count_users_of(own, wait=LEAVING_S):
            raise Conflict(IN_USE.format(users))
        outcome = Outcome(reader.manifest)
        if filled:
            outcome.replaced = services.own_path(Backup.Kind.BEFORE_RESTORE)
            services.own_folder()
            making.write_file(outcome.replaced, recipients=services.recipients(), say=say)
        with making.restored(reader, say=say) as restored:
            with roles.owner(database=restored.database):
                outcome.erased = _erase_again(actor, erased, erasures)
                _record(actor=actor, outcome=outcome)
                chain.seal(everything=True)
                roles.grant(runtime)
            _disconnect()
            put_in_place(restored.database, of=own)
    return outcome


def reinstall_packs(manifest: dict[str, Any], *, say: Say) -> list[str]:
    """Installs the packs in force that are not here. Returns a sentence about each that is missing, or not the same."""
    problems = []
    for name in sorted(name for name, pack in manifest["packs"].items() if pack["in_force"]):
        if name in catalogue():
            try:
                install_pack(
                    name, settings.MODELS_DIR, progress=say, accept=lambda licence: True
                )  # it was accepted before
            except PackError as error:
                problems.append(f"The model pack {name} is missing. {error}")
                continue
        here = next((dict(found.files) for found in installed_manifests() if found.name == name), None)
        if here is None:
            problems.append(
                f"The model pack {name} is missing, and not in the catalogue. Copy models/{name} from where it was."
            )
        elif manifest["packs"][name]["files"] not in ({}, here):
            problems.append(f"The model pack {name} here is not the same as in the backup: its vectors may not fit.")
    return problems


def _content() -> str:
    """What is in the platform's database, in words; empty if it is new: at most the first account, and no gallery."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('gallery_gallery') IS NOT NULL AND to_regclass('accounts_user') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return ""
        cursor.execute("SELECT (SELECT count(*) FROM gallery_gallery), (SELECT count(*) FROM accounts_user)")
        galleries, users = cursor.fetchone()
    return f"{galleries} galleries and {users} accounts" if galleries or users > 1 else ""


def _erased_here(files: Sequence[Path], *, filled: bool) -> Erased:
    """Those whom the present database knows to be erased; nobody where there are no tables yet."""
    applied = applied_migrations()
    if applied and not missing_migrations(applied):
        return Erased(recorded_erasures(files), recorded_deletions(files))
    if filled:
        raise Conflict("The present database is of an earlier version. Run manage.py migrate, then this again.")
    return Erased({}, set())


def _erase_again(actor: Actor, erased: Erased, files: Sequence[Path]) -> list[Erasure]:
    galleries = repeat_deletions(actor=actor, deleted=erased.galleries | recorded_deletions(files))
    return [*galleries, *repeat_erasures(actor=actor, erased=recorded_erasures(files) | erased.people)]


@audited
def _record(*, actor: Actor, outcome: Outcome) -> None:
    if path := outcome.replaced:
        facts = {"finished_at": timezone.now(), "size": path.stat().st_size, "encrypted": path.suffix == ".age"}
        Backup.objects.create(kind=Backup.Kind.BEFORE_RESTORE, file=path.name, **facts)
    details = {
        "made_at": outcome.manifest["made_at"],
        "version": outcome.manifest["version"],
        "erased": len(outcome.erased),
    }
    audit.record(actor=actor, action="backup.restored", details=details)


def _disconnect() -> None:
    connection.close()
    if connection.settings_dict["OPTIONS"].get("pool"):
        connection.close_pool()  # type: ignore[attr-defined]  # the stubs know no pools
