"""Imports that were stopped while they were queued have no time of their end, and so never expired."""

from django.db import migrations, models
from django.db.models import Q

ENDED = "UPDATE recognition_import SET finished_at = now() WHERE finished_at IS NULL AND status NOT IN ('queued', 'running')"


class Migration(migrations.Migration):
    dependencies = [("recognition", "0012_gallery_erasures")]

    operations = [
        migrations.RunSQL(ENDED, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="import",
            constraint=models.CheckConstraint(
                name="import_end_has_time",
                condition=Q(status__in=["queued", "running"]) | Q(finished_at__isnull=False),
            ),
        ),
    ]
