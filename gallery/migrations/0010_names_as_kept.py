"""Names that were kept as they were typed are kept as all are now, and people who were there before can be searched for.

In small transactions while the platform runs; where it is broken off, it goes on from there. Where two people of a gallery
would get the same external id, the second one's stays as it is, and is told.
"""

import sys

from django.db import IntegrityError, migrations, transaction
from django.db.models import F

from faceplatform.text import clean_name, control_character

BLOCK = 1000
NAMES = ("name", "external_id", "department", "position", "consent_by")
LEFT = "The external id of {name} ({pk}) stays as it is: without invisible characters it would be another person's."
CONTROLS = "{field} of {name} ({pk}) holds a control character. Correct it on the person's page."


def clean_all(apps, schema_editor):
    galleries = apps.get_model("gallery", "Gallery").objects
    for pk, name in galleries.values_list("pk", "name"):
        if changed := _changed({"name": name}):
            galleries.filter(pk=pk).update(**changed)
    people = apps.get_model("gallery", "Identity").objects
    todo = people.filter(searchable="").order_by("pk").values("pk", *NAMES)
    block = list(todo[:BLOCK])
    while block:
        with transaction.atomic():
            for person in block:
                _clean(people, person)
            # A trigger fills the column for the search.
            people.filter(pk__in=[person["pk"] for person in block]).update(name=F("name"))
        block = list(todo.filter(pk__gt=block[-1]["pk"])[:BLOCK])


def _clean(people, person):
    changed = _changed({field: person[field] for field in NAMES})
    row = people.filter(pk=person["pk"])
    if changed:
        try:
            with transaction.atomic():
                row.update(**changed)
        except IntegrityError:
            _tell(LEFT, person)
            row.update(**changed | {"external_id": person["external_id"]})
    for field in NAMES:
        if control_character(person[field].strip()):
            _tell(CONTROLS, person, field=field)


def _changed(values):
    """What is another once it is clean, and not nothing."""
    return {field: clean for field, text in values.items() if (clean := clean_name(text)) != text and clean}


def _tell(sentence, person, **more):
    print(sentence.format(**person, **more), file=sys.stderr)


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('gallery', '0009_names'),
    ]

    operations = [
        migrations.RunPython(clean_all, migrations.RunPython.noop, elidable=True),
    ]
