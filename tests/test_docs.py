"""The documents say what is true: settings, commands, links, error codes."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.db import connection

from faceplatform import env
from recognition.photos.results.refusals import REFUSALS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "models" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_setting_is_listed():
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", read("docs/settings.md"), re.MULTILINE))
    assert listed == set(env.SETTINGS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_settings_commands_and_links_exist(path):
    text = path.read_text()
    assert set(re.findall(r"FACEPLATFORM_[A-Z_]+", text)) <= set(env.SETTINGS)
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(get_commands())
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_reason_to_refuse_a_photo_is_listed():
    text = read("docs/api.md")
    assert [code for code in REFUSALS if f"`{code}`" not in text] == []


@pytest.mark.django_db
def test_the_preparation_for_citus_fits_the_schema():
    [statements] = re.findall(r"```sql\n(.*?)```", read("docs/scaling.md"), re.DOTALL)
    with connection.cursor() as cursor:
        cursor.execute(statements)
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename ~ '^gallery_(identity|facesample|faceembedding)$'"
        )
        unique = [definition for (definition,) in cursor.fetchall() if "UNIQUE" in definition]
    assert len(unique) == 5 and all("gallery_id" in definition for definition in unique)
