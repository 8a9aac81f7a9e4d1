"""What an import has written down in English, told in the language of whoever reads it."""

import pytest
from django.utils import translation

from faceplatform.web.languages import retold
from recognition.imports.files import unreadable
from recognition.imports.zips import DAMAGED


@pytest.mark.parametrize(
    "written, told",
    [
        (unreadable(DAMAGED).message, "Die Datei kann nicht gelesen werden: Sie ist im ZIP beschädigt."),
        ("faces.zip cannot be read: Permission denied.", "faces.zip kann nicht gelesen werden: Permission denied."),
        ("Unknown 2 was seen at May.", "Unbekannt 2 wurde an May gesehen."),
        ("May was seen at Entrance.", "May wurde an Entrance gesehen."),
        ("Somebody wrote this.", "Somebody wrote this."),
    ],
)
def test_reasons(written, told):
    with translation.override("de"):
        assert retold(written) == told
    assert retold(written) == written
