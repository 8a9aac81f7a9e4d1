"""Every ten minutes the answers of analyses that are older than an hour are searched for: by an index."""

from django.db import migrations, models

from faceplatform.database.migrations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("recognition", "0013_import_end_has_time")]

    operations = [
        AddIndexOnline(
            model_name="recognitionrequest",
            index=models.Index(fields=["purpose", "finished_at"], name="request_by_purpose"),
        ),
    ]
