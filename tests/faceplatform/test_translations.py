"""The languages of the pages are complete: all marked texts are in each catalogue, translated, and compiled as they are there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

LANGUAGES = [code for code, _ in settings.LANGUAGES if code != "en"]
CATALOGUES = Path(settings.BASE_DIR) / "locale"
needs_gettext = pytest.mark.skipif(not shutil.which("msgfmt"), reason="needs GNU gettext")


@pytest.fixture(scope="module")
def extracted(tmp_path_factory) -> Path:
    """All texts that are marked now, as a template of a catalogue."""
    folder = tmp_path_factory.mktemp("marked")
    for name in ("accounts", "faceplatform", "gallery", "recognition", "templates"):
        shutil.copytree(settings.BASE_DIR / name, folder / name, ignore=shutil.ignore_patterns("*.pyc", "static"))
    (folder / "locale").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(settings, "LOCALE_PATHS", [folder / "locale"])
        call_command("makemessages", locale=["de"], keep_pot=True, no_wrap=True, verbosity=0)
    return folder / "locale" / "django.pot"


@needs_gettext
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_marked_text_is_translated(extracted, language):
    catalogue = CATALOGUES / language / "LC_MESSAGES" / "django.po"
    missing = subprocess.run(["msgcmp", catalogue, extracted], capture_output=True, text=True, check=False)
    assert missing.returncode == 0, missing.stderr
    assert "fuzzy" not in catalogue.read_text()


@needs_gettext
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_read_is_what_is_written(tmp_path, language):
    folder = CATALOGUES / language / "LC_MESSAGES"
    told = subprocess.run(
        ["msgfmt", "--check", "-o", tmp_path / "django.mo", folder / "django.po"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert texts_of(tmp_path / "django.mo") == texts_of(folder / "django.mo"), "run `make languages`"


def texts_of(file: Path) -> str:
    return subprocess.run(["msgunfmt", "--sort-output", file], capture_output=True, text=True, check=True).stdout


@needs_gettext
@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_and_tags_are_those_of_the_text(language):
    for block in (CATALOGUES / language / "LC_MESSAGES" / "django.po").read_text().split("\n\n")[1:]:
        texts = dict(re.findall(r'^(msg\S+) ((?:"[^\n]*"\n?)+)', block, re.MULTILINE))
        allowed = marks(texts["msgid"]) | marks(texts.get("msgid_plural", ""))
        for kind, told in texts.items():
            if kind.startswith("msgstr"):
                assert marks(told) <= allowed, block
            if kind == "msgstr":
                assert marks(told) == allowed, block


def marks(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[sd]|\{\w+\}|</?\w+", text))
