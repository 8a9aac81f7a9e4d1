from typing import Any

from django.db.models import QuerySet

SHOWN = 5  # of each kind


class BackupQuerySet(QuerySet):
    def made(self) -> Any:
        """Those that were made to their end."""
        return self.filter(finished_at__isnull=False, error="")

    def latest_daily(self) -> Any:
        """The newest daily backup that was made; None if there is none."""
        return self.made().filter(kind="daily").first()

    def latest_of_each_kind(self) -> list[Any]:
        """The newest SHOWN of each kind, newest first, without those whose files were deleted to make room."""
        there = self.filter(removed_at=None)
        kinds = there.order_by("kind").values_list("kind", flat=True).distinct()
        found = [row for kind in list(kinds) for row in there.filter(kind=kind)[:SHOWN]]
        return sorted(found, key=lambda row: row.started_at, reverse=True)
