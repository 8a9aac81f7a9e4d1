from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """An enrolment may be for somebody who is made with the first face. The next migration checks the rows that are there:
    in a transaction of its own, so that nobody waits for it."""

    dependencies = [("recognition", "0017_import_ignored")]

    operations = [
        migrations.RemoveConstraint(model_name="recognitionrequest", name="request_enrol_has_identity"),
        AddConstraintNotValid(
            model_name="recognitionrequest",
            constraint=models.CheckConstraint(
                name="request_enrol_has_identity",
                condition=Q(purpose="enrol") & (Q(identity__isnull=False) | Q(options__has_key="person"))
                | ~Q(purpose="enrol") & Q(identity__isnull=True),
            ),
        ),
    ]
