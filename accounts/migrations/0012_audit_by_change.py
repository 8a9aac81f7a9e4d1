"""A person's history searches for the acts that changed them among others: by an index."""

from django.db import migrations, models

from faceplatform.database.migrations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0011_language")]

    operations = [
        AddIndexOnline(
            model_name="auditevent",
            index=models.Index(fields=["change_id"], name="audit_by_change", condition=models.Q(change_id__isnull=False)),
        ),
    ]
