"""Who may import whom. See docs/architecture.md."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = ("accounts", "gallery", "recognition")
# Inside an app a module imports only from layers before its own.
LAYERS = [
    ("roles", "actor"),
    ("querysets",),
    ("models",),
    ("audit", "search", "queue"),
    ("installed",),
    ("thresholds", "services"),
    ("results",),
    ("worker",),
    ("local", "rejections"),
    ("tasks",),
    ("authentication", "permissions"),
]
SOURCES = sorted(
    path for app in (*APPS, "faceplatform") for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts
)


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Dotted names of the modules `path` imports."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def reaches(names: set[str], package: str) -> set[str]:
    return {name for name in names if name == package or name.startswith(package + ".")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_apps_import_only_downwards(path):
    parts = path.relative_to(ROOT).parts
    above = {
        "accounts": ("gallery", "recognition"),
        "gallery": ("recognition",),
        "recognition": (),
        "faceplatform": () if path.stem in ("urls", "api_urls", "views") else APPS,
    }[parts[0]]
    for app in above:
        assert not reaches(imports(path), app), f"{path} must not import {app}"
    if parts[0] != "faceplatform":
        assert not reaches(imports(path), "faceplatform.urls")


@pytest.mark.parametrize("folder", ["engine", "packs", "training", "bench", "evaluation"])
def test_the_engine_knows_no_django(folder):
    for path in (ROOT / "recognition" / folder).rglob("*.py"):
        names = imports(path)
        for package in ("django", "rest_framework", "accounts", "gallery", "faceplatform"):
            assert not reaches(names, package), f"{path} must not import {package}"
        assert not reaches(names, "recognition.models")


def test_one_module_imports_mxnet():
    users = {path.name for path in SOURCES if reaches(imports(path), "mxnet")}
    assert users == {"mxnet_runtime.py"}


def test_the_web_process_never_imports_mxnet():
    """Followed from the pages' and the API's addresses through all that is imported at load time."""
    seen, waiting = set(), {"faceplatform.urls", "faceplatform.api_urls"}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        path = ROOT / (name.replace(".", "/") + ".py")
        if path.is_file():
            local = {n for n in imports(path, top_level_only=True) if n.split(".")[0] in (*APPS, "faceplatform")}
            waiting |= {n for n in local if n not in seen}
    assert "recognition.photos.services" in seen
    assert not [name for name in seen if "mxnet" in name or name == "recognition.photos.worker"]


def test_the_web_process_really_has_no_mxnet(tmp_path):
    code = "import sys, faceplatform.asgi, faceplatform.urls; assert 'mxnet' not in sys.modules"
    environment = os.environ | {
        "FACEPLATFORM_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "faceplatform.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def layer_of(stem: str) -> int | None:
    return next((number for number, names in enumerate(LAYERS) if stem in names), None)


@pytest.mark.parametrize("app", APPS)
def test_layers_inside_an_app(app):
    for path in (ROOT / app).glob("*.py"):
        own = layer_of(path.stem)
        if own is None:
            continue
        for name in imports(path, top_level_only=True):
            parts = name.split(".")
            if parts[0] == app and len(parts) > 1 and (other := layer_of(parts[1])) is not None:
                assert other <= own, f"{path} must not import {name}"


def test_only_the_edges_know_a_feature():
    """A folder of an app with its own services (such as recognition/imports) builds on the app's modules, not they on it."""
    edges = ("tasks", "urls", "admin")
    for services in {path for path in SOURCES if path.name == "services.py" and len(path.relative_to(ROOT).parts) == 3}:
        feature = ".".join(services.relative_to(ROOT).parent.parts)
        for path in services.parents[1].glob("*.py"):
            assert path.stem in edges or not reaches(imports(path), feature), f"{path} must not import {feature}"


def test_no_signals_and_writes_only_in_services():
    for path in SOURCES:
        assert not reaches(imports(path), "django.db.models.signals"), path
        if path.stem in ("views", "api"):
            text = path.read_text()
            assert ".save(" not in text and ".create(" not in text.replace("def create(", ""), path


def test_models_is_no_package():
    """The folder of the model packs would shadow an app's models."""
    assert not (ROOT / "models" / "__init__.py").exists()
