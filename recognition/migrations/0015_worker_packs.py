"""What packs each worker can run. Both columns have constant defaults, so adding them rewrites nothing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("recognition", "0014_request_by_purpose")]

    operations = [
        migrations.AddField("worker", "packs", models.JSONField(null=True)),
        migrations.AddField("worker", "pack_faults", models.JSONField(default=dict, db_default={})),
    ]
