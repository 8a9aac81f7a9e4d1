from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("recognition", "0018_enrolments_of_new_people")]

    operations = [ValidateConstraint(model_name="recognitionrequest", name="request_enrol_has_identity")]
