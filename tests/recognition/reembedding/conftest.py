"""A second pack: the default net with vectors scaled to unit length, under another name and threshold."""

import dataclasses
import shutil
from pathlib import Path

import pytest
from factories import GalleryFactory, IdentityFactory
from reembedded import SECOND, enrol

from recognition.engine.manifest import load_manifest, write_manifest
from recognition.engine.pipeline import Pipeline


@pytest.fixture(scope="session")
def two_packs(tmp_path_factory, pack_dir) -> Path:
    models = tmp_path_factory.mktemp("models")
    (models / "dlib-resnet").symlink_to(pack_dir)
    shutil.copytree(pack_dir, models / SECOND)
    manifest = load_manifest(models / SECOND)
    changed = dataclasses.replace(manifest, name=SECOND, metric="cosine", threshold_1to1=0.39, far_curve=[])
    write_manifest(changed, models / SECOND)
    return models


@pytest.fixture(scope="session")
def second_pipeline(two_packs):
    return Pipeline.load(two_packs / SECOND, precision="fp32")


@pytest.fixture
def worker(worker, second_pipeline, two_packs, settings):
    """A registered worker with both packs loaded."""
    settings.MODELS_DIR = worker.models_dir = two_packs
    worker._pipelines[SECOND] = second_pipeline
    with worker.registered():
        yield worker


@pytest.fixture
def models(two_packs, settings) -> Path:
    """Both packs installed, and no worker."""
    settings.MODELS_DIR = two_packs
    return two_packs


@pytest.fixture
def gallery(worker, hopper, hopper_again, collins):
    """Grace with two samples, Eileen with one, and a recognition of each."""
    made = GalleryFactory(slug="staff")
    enrol(worker, IdentityFactory(gallery=made, name="Grace"), hopper, hopper_again)
    enrol(worker, IdentityFactory(gallery=made, name="Eileen"), collins)
    return made
