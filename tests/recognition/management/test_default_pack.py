"""New installations take the better pack; those that have galleries keep theirs, and are told of it."""

import pytest
from django.test import Client
from factories import GalleryFactory, UserFactory, member

from accounts.roles import Role
from faceplatform.settings import DEFAULT_PACK
from recognition.engine.manifest import PackError
from recognition.management.commands import up
from recognition.photos.worker import RecognitionWorker

pytestmark = pytest.mark.django_db


@pytest.fixture
def both_packs(sface_dir, pack_dir, settings):
    settings.MODELS_DIR, settings.DEFAULT_PACK = sface_dir.parent, "sface"


def test_sface_is_what_a_user_gets():
    assert DEFAULT_PACK == "sface"


class Installer:
    """Stands for the package index: notes what is asked for, and lacks some of it."""

    def __init__(self, *lacks: str):
        self.lacks, self.asked = lacks, []

    def __call__(self, name, folder, **options):
        self.asked.append(name)
        if name in self.lacks:
            raise PackError(f"{name} cannot be fetched")


@pytest.mark.parametrize(
    ("in_force", "installed"),
    [((), ["sface"]), (("dlib-resnet",), ["dlib-resnet", "sface"]), (("our-own", "sface"), ["sface"])],
)
def test_up_installs_the_default_pack_and_those_in_force(monkeypatch, settings, in_force, installed):
    settings.DEFAULT_PACK = "sface"
    for pack in in_force:
        GalleryFactory(pack=pack)
    monkeypatch.setattr(up, "install_pack", installer := Installer())
    up.Command()._install_packs()
    assert installer.asked == installed


def test_an_installation_with_galleries_starts_without_a_pack_that_cannot_be_had(monkeypatch, settings, capsys):
    settings.DEFAULT_PACK = "sface"
    GalleryFactory(pack="dlib-resnet")
    monkeypatch.setattr(up, "install_pack", Installer("sface"))
    up.Command()._install_packs()
    assert "Warning: the model pack sface is not installed. sface cannot be fetched" in capsys.readouterr().out


def test_a_new_installation_does_not_start_without_its_pack(monkeypatch, settings):
    settings.DEFAULT_PACK = "sface"
    monkeypatch.setattr(up, "install_pack", Installer("sface"))
    with pytest.raises(PackError, match="cannot be fetched"):
        up.Command()._install_packs()


@pytest.mark.parametrize(
    ("in_force", "warm"), [((), ["sface"]), (("dlib-resnet",), ["dlib-resnet"]), (("gone",), ["sface"])]
)
def test_a_worker_warms_the_packs_in_force(both_packs, sface_dir, monkeypatch, in_force, warm):
    for pack in in_force:
        GalleryFactory(pack=pack)
    worker, warmed = RecognitionWorker(sface_dir.parent), []

    class Pipeline:
        def __init__(self, pack):
            self.warm = lambda: warmed.append(pack)

    monkeypatch.setattr(worker, "pipeline_or_none", Pipeline)
    worker._warm()
    assert warmed == warm


def test_the_model_page_says_what_the_better_pack_would_change(both_packs):
    old, new = GalleryFactory(pack="dlib-resnet"), GalleryFactory(pack="sface")
    client = Client()
    for gallery, told in ((old, True), (new, False)):
        client.force_login(member(gallery, Role.OWNER).user)
        page = client.get(f"/galleries/{gallery.slug}/model").content.decode()
        assert ("is the better model" in page) is told
        assert "10,000 faces" in page
        assert "500 faces" in page


def test_the_system_page_tells_of_galleries_under_a_lesser_pack(both_packs):
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    GalleryFactory(pack="sface")
    assert "recognises more people" not in client.get("/system").content.decode()
    GalleryFactory(pack="dlib-resnet")
    page = client.get("/system").content.decode()
    assert "The default pack, sface, recognises more people" in page
    assert "than dlib-resnet." in page
