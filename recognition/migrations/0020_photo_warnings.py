"""What was wrong with the file of a photo although it was read. A constant default, so adding the column rewrites nothing."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("recognition", "0019_validate_enrolments")]

    operations = [
        migrations.AddField(
            "recognitionrequest",
            "warnings",
            ArrayField(models.CharField(max_length=40), default=list, db_default=[]),
        ),
    ]
