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


def test_rooms_are_two_folders_deep_and_floors_count_from_the_ground(built):
    made = built(
        {
            "accounts/models": "import os",
            "gallery/search/query": "from accounts.models import User",
            "gallery/search/deep/bench": "from . import other\nfrom .. import query",
            "gallery/search/deep/other": "",
            "gallery/views": "def late():\n    from gallery.search.deep import bench",
            "gallery/management/commands/index": "from gallery import views",
            "gallery/migrations/first": "import gallery.views",
            "gallery/apps": "",
            "gallery/urls": "path('', include('recognition.photos.urls'))",
            "recognition/photos/urls": "import gallery.views",
        }
    )
    assert made.floors == {
        "accounts": 0,
        "gallery/search": 1,
        "gallery": 2,
        "gallery/management": 3,
        "recognition/photos": 3,
        "roof": 4,
    }
    assert made.arrows["roof", "recognition/photos"] == ["gallery.urls → recognition.photos.urls"]
    assert made.counts() == "6 rooms, 5 floors, 5 arrows, 0 back"


def test_a_circle_is_broken_where_the_fewest_arrows_go(built):
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


def test_the_arrows_of_the_face_of_models_are_the_ones_called_back(built):
    made = built(
        {
            "gallery/models/__init__": "from gallery.curation import acts, undone",
            "gallery/curation/acts": "",
            "gallery/curation/undone": "",
            "gallery/curation/services": "from gallery.models import Act",
        }
    )
    assert made.back == {("gallery/models", "gallery/curation")}


def test_loose_modules_are_one_room_until_they_go_both_ways(built):
    files = {
        "accounts/models": "",
        "accounts/audit/writing": "import accounts.models",
        "accounts/views": "import accounts.models",
    }
    assert set(built(files).lines) == {"accounts", "accounts/audit"}
    files["accounts/services"] = "import accounts.audit.writing"
    files["accounts/views"] = "import accounts.services"
    assert built(files).floors == {"accounts": 0, "accounts/audit": 1, "accounts, upper": 2}
    files["accounts/audit/writing"] += "\nimport accounts.views"
    alone = built(files)
    assert set(alone.lines) == {"accounts", "accounts/audit", "accounts/services.py", "accounts/views.py"}
    assert len(alone.back) == 1
