"""Reads of attendance, limited to what an actor may see."""

from datetime import date

from accounts.querysets import GalleryScopedQuerySet


class AttendanceDayQuerySet(GalleryScopedQuerySet):
    def between(self, first: date, last: date):
        """Both included."""
        return self.filter(date__gte=first, date__lte=last)


class AttendanceCorrectionQuerySet(GalleryScopedQuerySet):
    def in_force(self):
        return self.filter(withdrawn_at=None)

    def between(self, first: date, last: date):
        """Both included."""
        return self.filter(date__gte=first, date__lte=last)
