"""What import-linter (pyproject.toml, `make check`) cannot say of who may do what where. See docs/architecture.md."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
APPS = ("accounts", "gallery", "recognition")
NOT_A_FEATURE = {"engine", "packs", "lab", "tracking", "video", "management", "migrations", "templatetags"}
SOURCES = [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]


def test_the_web_process_has_no_mxnet(tmp_path):
    code = """if True:
        import sys, faceplatform.asgi
        from django.urls import get_resolver
        assert get_resolver().reverse_dict and "recognition.photos.views" in sys.modules
        loaded = {"mxnet", "recognition.photos.worker", "recognition.engine.pipeline"} & set(sys.modules)
        assert not loaded, loaded
    """
    environment = os.environ | {
        "FACEPLATFORM_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "faceplatform.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_views_leave_writing_to_services():
    for path in SOURCES:
        if path.stem in ("views", "api") or path.stem.endswith(("_views", "_api")):
            text = path.read_text().replace("def create(", "")
            assert ".save(" not in text and ".create(" not in text, path


def test_no_signals():
    for path in SOURCES:
        assert "django.dispatch" not in path.read_text() and "models.signals" not in path.read_text(), path


def test_the_layers_of_a_feature_are_held_for_each_feature():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [held] = [contract["containers"] for contract in contracts if contract["name"] == "inside a feature"]
    features = {path.parent.name for path in (ROOT / "recognition").glob("*/__init__.py")} - NOT_A_FEATURE
    assert set(held) == {f"recognition.{name}" for name in features}


def test_models_is_no_package():
    """The folder of the model packs would shadow an app's models."""
    assert not (ROOT / "models" / "__init__.py").exists()
