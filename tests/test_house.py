"""The picture of the house is today's, and the counts under it are right."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools import house

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def built(tmp_path):
    def build(files: dict[str, str]) -> house.House:
        for name, text in files.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return house.build(tmp_path)

    return build


def test_the_picture_is_of_this_code(tmp_path):
    drawn = tmp_path / "house.svg"
    subprocess.run([sys.executable, ROOT / "tools" / "house.py", "--svg", drawn], check=True, capture_output=True)
    assert drawn.read_bytes() == (ROOT / "docs" / "images" / "house.svg").read_bytes(), "run `make picture`"


def test_a_large_app_is_a_room_a_folder_and_floors_count_from_the_ground(built, monkeypatch):
    monkeypatch.setattr(house, "LARGE", 6)
    made = built(
        {
            "accounts/models": "import os",
            "accounts/keys/api": "import accounts.models",
            "recognition/photos/queue": "from accounts.models import User",
            "recognition/photos/results/deep": "from . import other\nfrom .. import queue",
            "recognition/photos/results/other": "",
            "recognition/imports/views": "def late():\n    from recognition.photos.results import deep",
            "recognition/management/commands/import_faces": "from recognition.imports import views",
            "recognition/tasks": "import recognition.imports.views",
            "recognition/migrations/first": "import recognition.imports.views",
            "recognition/urls": "path('', include('recognition.imports.urls'))",
        }
    )
    assert made.floors == {
        "accounts": 0,
        "recognition/photos": 1,
        "recognition/imports": 2,
        "recognition/management": 3,
        "recognition/tasks.py": 3,
    }
    assert made.arrows["recognition/tasks.py", "recognition/imports"] == [
        "recognition.tasks → recognition.imports.views"
    ]
    assert made.counts() == "5 rooms, 4 floors, 4 arrows, 0 back"


def test_a_circle_is_broken_where_the_fewest_arrows_go(built, monkeypatch):
    monkeypatch.setattr(house, "LARGE", 5)
    made = built(
        {
            "gallery/a/x": "import gallery.b.x",
            "gallery/b/x": "import gallery.c.x\nimport accounts.roles",
            "gallery/c/x": "import gallery.a.x\nimport gallery.a.y",
            "gallery/a/y": "import gallery.c.y",
            "gallery/c/y": "",
            "accounts/roles": "",
        }
    )
    assert made.back == {("gallery/c", "gallery/a")}
    assert made.floors == {"accounts": 0, "gallery/c": 0, "gallery/b": 1, "gallery/a": 2}


def test_the_arrows_of_the_face_of_models_are_the_ones_called_back(built, monkeypatch):
    monkeypatch.setattr(house, "LARGE", 1)
    made = built(
        {
            "gallery/models": "from gallery.curation import acts, undone",
            "gallery/curation/acts": "",
            "gallery/curation/undone": "",
            "gallery/curation/services": "from gallery.models import Act",
        }
    )
    assert made.back == {("gallery/models.py", "gallery/curation")}
