from typing import Any

from django.db.models import QuerySet

SHOWN = 10


class BackupQuerySet(QuerySet):
    def made(self) -> Any:
        """Those that were made to their end."""
        return self.filter(finished_at__isnull=False, error="")

    def latest_daily(self) -> Any:
        """The newest daily backup that was made; None if there is none."""
        return self.made().filter(kind="daily").first()

    def shown(self) -> Any:
        """The newest ones, without those whose files were deleted to make room."""
        return self.filter(removed_at=None)[:SHOWN]
