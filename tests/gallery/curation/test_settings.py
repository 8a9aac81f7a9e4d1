"""Settings of a gallery are put back by their undo: by owners alone, and never over a later change."""

from datetime import time

import pytest
from api_world import database_state
from factories import GalleryFactory, member

from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, NotAllowed
from gallery.curation.history import undo
from gallery.models import Gallery
from gallery.services import calibrate_gallery, change_settings
from recognition.privacy.retention import settings_of
from recognition.privacy.services import change_retention

pytestmark = pytest.mark.django_db
CHANGE = {
    "name": "Renamed",
    "threshold_source": "manual",
    "threshold_distance": 0.4,
    "requires_consent": True,
    "time_zone": "Asia/Kathmandu",
    "day_starts_at": time(4),
}


@pytest.fixture
def gallery():
    return GalleryFactory()


@pytest.fixture
def owner(gallery):
    return member(gallery, Role.OWNER)


def kept(gallery) -> dict:
    return Gallery.objects.filter(pk=gallery.pk).values(*CHANGE).get()


def test_settings_come_back_and_an_undo_is_undone(gallery, owner):
    before = kept(gallery)
    event = change_settings(actor=owner, gallery=gallery, **CHANGE)
    assert kept(gallery) == CHANGE
    undone = undo(actor=owner, event=event)
    assert kept(gallery) == before
    undo(actor=owner, event=undone)
    assert kept(gallery) == CHANGE
    with pytest.raises(Conflict, match="already been undone"):
        undo(actor=owner, event=event)


def test_a_calibrated_threshold_gives_way_to_the_one_before(gallery, owner):
    calibrate_gallery(actor=owner, gallery=gallery, pack=gallery.pack, distance=0.5, details={"fpir": 0.01})
    event = AuditEvent.objects.get(action="gallery.calibrated")
    undone = undo(actor=owner, event=event)
    assert Gallery.objects.get(pk=gallery.pk).threshold_distance is None
    Gallery.objects.filter(pk=gallery.pk).update(pack="sface")
    AuditEvent.objects.create(action="gallery.pack_changed", gallery_id=gallery.pk, via="web")
    with pytest.raises(Conflict, match="another model pack"):
        undo(actor=owner, event=undone)


def test_how_long_things_are_kept_comes_back(gallery, owner):
    before = settings_of(gallery)
    event = change_retention(actor=owner, gallery=gallery, rules={"photos": "7", "unknown_faces": "keep"})
    assert settings_of(gallery) != before
    undo(actor=owner, event=event)
    assert settings_of(gallery) == before


def test_a_later_change_is_not_overwritten_and_curators_undo_no_settings(gallery, owner):
    event = change_settings(actor=owner, gallery=gallery, name="One")
    change_settings(actor=owner, gallery=gallery, name="Two")
    curator = member(gallery, Role.CURATOR)
    before = database_state()
    with pytest.raises(Conflict, match="changed since"):
        undo(actor=owner, event=event)
    with pytest.raises(NotAllowed):
        undo(actor=curator, event=AuditEvent.objects.filter(action="gallery.changed").first())
    assert database_state() == before
