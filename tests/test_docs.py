"""The documents say what is true: settings, commands, links, error codes."""

import re
import tomllib
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.db import connection
from table_owner import as_owner

from faceplatform import env
from recognition.photos.results.refusals import REFUSALS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(ROOT / name for name in ("models/README.md", "changelog.d/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)#:]*)(?:#([^):]+))?\)")


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_setting_is_listed():
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", read("docs/settings.md"), re.MULTILINE))
    assert listed == set(env.SETTINGS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_commands_and_links_exist(path):
    text = path.read_text()
    assert set(re.findall(r"FACEPLATFORM_[A-Z_]+", text)) <= set(env.SETTINGS)
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(get_commands())
    for target, heading in LINK.findall(text):
        linked = path.parent / target if target else path
        assert linked.exists(), f"{path.name} links to {target}"
        assert not heading or heading in headings_of(linked), f"{path.name} links to {target}#{heading}"


def headings_of(path: Path) -> set[str]:
    """The headings as addresses write them."""
    found = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_fragments_of_the_changelog_have_a_type():
    types = [kind["directory"] for kind in tomllib.loads(read("pyproject.toml"))["tool"]["towncrier"]["type"]]
    for fragment in set((ROOT / "changelog.d").iterdir()) - {ROOT / "changelog.d" / "README.md"}:
        assert re.fullmatch(rf"(\d+|\+[\w-]+)\.({'|'.join(types)})(\.\d+)?\.md", fragment.name), fragment.name


def test_every_reason_to_refuse_a_photo_is_listed():
    text = read("docs/api.md")
    assert [code for code in REFUSALS if f"`{code}`" not in text] == []


@pytest.mark.django_db
def test_the_preparation_for_citus_fits_the_schema():
    [statements] = re.findall(r"```sql\n(.*?)```", read("docs/scaling.md"), re.DOTALL)
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(statements)
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename ~ '^gallery_(identity|facesample|faceembedding)$'"
        )
        unique = [definition for (definition,) in cursor.fetchall() if "UNIQUE" in definition]
    assert len(unique) == 5 and all("gallery_id" in definition for definition in unique)


def test_the_unit_for_systemd_is_the_one_that_is_shown():
    unit = read("docs/faceplatform.service")
    assert f"```\n{unit}```" in read("docs/installation.md")
    assert "/.venv/bin/python manage.py up\n" in unit
    assert "KillMode=mixed\n" in unit
