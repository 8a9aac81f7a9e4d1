import threading
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone, translation
from factories import CameraFactory, GalleryFactory, IdentityFactory, member, stranger
from seen import open_sighting

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import InvalidInput, NotAllowed
from gallery.curation.services import merge_identities
from recognition.alerts import absences, raising, services
from recognition.alerts.models import Alert, AlertRule
from recognition.alerts.representation import alert_as_dict, in_words, rule_as_dict
from recognition.attendance.days import day_of
from recognition.cameras.models import LivePeriod, UnknownPerson
from recognition.sightings.services import merge_unknowns

pytestmark = pytest.mark.django_db
ACTOR = system_actor()


@pytest.fixture
def hall():
    return GalleryFactory(time_zone="Europe/Berlin")


@pytest.fixture
def anna(hall):
    return IdentityFactory(gallery=hall, name="Anna")


@pytest.fixture
def door(hall):
    return CameraFactory(gallery=hall, name="Door")


def rule(gallery, kind: str = "known", **fields) -> AlertRule:
    return services.create_rule(actor=ACTOR, gallery=gallery, **{"name": kind, "kind": kind} | fields)


def see(camera, person=None, unknown=None, **fields):
    decision = "known" if person else "unknown"
    values = {"decision": decision, "identity": person, "unknown": unknown, "distance": 0.3} | fields
    row = open_sighting(camera.gallery, camera=camera, **values)
    row.save()
    services.raise_for(row)
    return row


def told() -> list[str]:
    return [str(alert) for alert in Alert.objects.order_by("id")]


def test_a_person_is_told_once_a_visit_and_camera(hall, anna, door):
    rule(hall)
    row = see(door, anna)
    see(door, anna)
    assert told() == ["known: Anna"]
    alert = Alert.objects.get()
    assert (alert.sighting, alert.camera, in_words(alert)) == (row, door, "Anna was seen at Door.")
    see(CameraFactory(gallery=hall), anna)
    Alert.objects.update(raised_at=timezone.now() - timedelta(minutes=6))
    see(door, anna)
    assert told() == ["known: Anna"] * 3


def test_programs_are_told_in_english_and_people_in_their_language(hall, anna, door):
    rule(hall)
    see(door, anna)
    alert = Alert.objects.get()
    with translation.override("de"):
        assert in_words(alert) == "Anna wurde an Door gesehen."
        assert alert_as_dict(alert)["text"] == "Anna was seen at Door."


def test_of_a_stranger_only_rules_about_strangers_tell(hall, anna, door):
    rule(hall), rule(hall, "unknown"), rule(hall, "watch_list", people=[anna])
    somebody = UnknownPerson.objects.create(gallery=hall, number=4, first_seen=timezone.now(), last_seen=timezone.now())
    see(door, unknown=somebody)
    see(door, unknown=somebody)
    assert told() == ["unknown: Unknown 4"]
    see(door, anna)
    assert sorted(told()) == ["known: Anna", "unknown: Unknown 4", "watch_list: Anna"]


def test_nothing_is_told_of_faces_that_cannot_be_compared_and_of_ignored_strangers(hall, door):
    rule(hall), rule(hall, "unknown")
    see(door, decision="unusable")
    ignored = UnknownPerson.objects.create(
        gallery=hall, number=1, first_seen=timezone.now(), last_seen=timezone.now(), ignored=True
    )
    see(door, unknown=ignored)
    assert told() == []


def test_cameras_people_and_scores_narrow_a_rule(hall, anna, door):
    other = CameraFactory(gallery=hall)
    bella = IdentityFactory(gallery=hall, name="Bella")
    rule(hall, name="door", cameras=[door])
    rule(hall, name="all but Anna", but_not=[anna])
    rule(hall, name="Bella", people=[bella])
    rule(hall, name="sure", min_score=0.99, cameras=[door])
    rule(hall, name="off", enabled=False)
    see(other, anna)
    assert told() == []
    see(door, bella, distance=0.59, threshold=0.6)
    assert sorted(told()) == ["Bella: Bella", "all but Anna: Bella", "door: Bella"]


@pytest.mark.parametrize(
    ("starts", "ends", "weekdays", "moment", "holds"),
    [
        (None, None, [0], datetime(2026, 5, 4, 12), True),  # a Monday
        (None, None, [1], datetime(2026, 5, 4, 12), False),
        (time(9), time(17), [0], datetime(2026, 5, 4, 17), False),
        (time(22), time(6), [0], datetime(2026, 5, 5, 5), True),  # Monday's night
        (time(22), time(6), [0], datetime(2026, 5, 4, 5), False),  # Sunday's
        (None, None, [1], datetime(2026, 5, 4, 23), True),  # by UTC it is Monday still
    ],
)
def test_hours_are_the_gallerys(hall, starts, ends, weekdays, moment, holds):
    zone = UTC if moment.hour == 23 else hall.zone
    row = rule(hall, starts_at=starts, ends_at=ends, weekdays=weekdays)
    assert raising.is_on(row, None, moment.replace(tzinfo=zone)) is holds


def test_a_lost_camera_is_told_once_in_a_while(hall, door):
    rule(hall, "camera_offline")
    services.camera_changed(door, offline=True)
    services.camera_changed(door, offline=False)
    services.camera_changed(door, offline=True)
    assert told() == ["camera_offline: Door"]


def test_who_has_not_come_is_told_once_and_only_if_cameras_looked(hall, anna, door):
    bella = IdentityFactory(gallery=hall, name="Bella")
    rule(hall, "absent", absent_after=time(9), but_not=[bella])
    noon = datetime(2026, 5, 4, 12, tzinfo=hall.zone)
    assert absences.raise_absences(noon) == 0
    LivePeriod.objects.create(gallery=hall, camera=door, began_at=noon - timedelta(hours=4), ended_at=noon)
    assert absences.raise_absences(noon - timedelta(hours=4)) == 0
    assert absences.raise_absences(noon) == 1
    assert absences.raise_absences(noon + timedelta(minutes=5)) == 0
    alert = Alert.objects.get()
    assert (alert.identity, alert.date) == (anna, date(2026, 5, 4))
    assert day_of(hall, noon) == alert.date


@pytest.mark.parametrize(
    "fields",
    [
        {"name": " "},
        {"kind": "something"},
        {"starts_at": time(8)},
        {"kind": "absent"},
        {"kind": "watch_list"},
        {"weekdays": [7]},
        {"min_score": 2},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(hall, fields):
    with pytest.raises(InvalidInput):
        rule(hall, **fields)
    assert not AlertRule.objects.exists()


def test_a_rule_is_about_its_own_gallery(hall):
    with pytest.raises(InvalidInput):
        rule(hall, people=[IdentityFactory()])
    assert not AlertRule.objects.exists()


def test_only_owners_make_rules(hall):
    for actor in (member(hall, Role.CURATOR), stranger()):
        with pytest.raises(NotAllowed):
            services.create_rule(actor=actor, gallery=hall, name="x", kind="known")
    assert not AlertRule.objects.exists()
    made = services.create_rule(actor=member(hall, Role.OWNER), gallery=hall, name="x", kind="known")
    services.delete_rule(actor=member(hall, Role.OWNER), rule=made)
    actions = AuditEvent.objects.filter(gallery_id=hall.pk).values_list("action", flat=True)
    assert {"alert_rule.created", "alert_rule.deleted"} <= set(actions)


def test_seen_by_whom(hall, anna, door):
    rule(hall)
    see(door, anna)
    viewer = member(hall, Role.VIEWER)
    assert services.mark_seen(actor=viewer, alerts=Alert.objects.all()) == 1
    assert services.mark_seen(actor=viewer, alerts=Alert.objects.all()) == 0
    assert [seen.user for seen in Alert.objects.get().seen.all()] == [viewer.user]


# --- Merged people ---
def test_a_rule_is_about_who_its_people_are_now(hall, anna, door):
    curator, double = member(hall, Role.CURATOR), IdentityFactory(gallery=hall, name="Anna B.")
    rule(hall, "watch_list", people=[double])
    rule(hall, "known", but_not=[double])
    about_one = rule(hall, "known", name="one", people=[double], cooldown=0)
    see(door, IdentityFactory(gallery=hall, name="Somebody else"))
    assert told() == ["known: Somebody else"]
    merge_identities(actor=curator, into=anna, others=[double])
    see(door, anna)
    double.refresh_from_db()
    see(door, double)  # whom the search had found before the merge
    see(door, IdentityFactory(gallery=hall, name="A third one"))
    expected = {"watch_list: Anna", "watch_list: Anna B.", "one: Anna", "one: Anna B.", "known: A third one"}
    assert set(told()[1:]) == expected
    changed = AlertRule.objects.with_choices().get(pk=about_one.pk)
    assert rule_as_dict(changed)["people"] == [str(anna.pk)]
    anna.deleted_at = timezone.now()
    anna.save()
    Alert.objects.all().delete()
    see(door, IdentityFactory(gallery=hall))
    assert told() == [f"known: {Alert.objects.get().identity}"]  # a rule about nobody who is left tells of nobody


def test_an_alert_names_the_unknown_person_that_it_was_merged_into(hall, door):
    rule(hall, "unknown")
    first, second = (
        UnknownPerson.objects.create(gallery=hall, number=n, first_seen=timezone.now(), last_seen=timezone.now())
        for n in (1, 2)
    )
    see(door, unknown=second)
    merge_unknowns(actor=member(hall, Role.CURATOR), into=first, others=[second])
    alert = Alert.objects.with_all().get()
    assert in_words(alert) == "Unknown 1 was seen at Door."
    with translation.override("de"):
        assert in_words(alert) == "Unbekannt 1 wurde an Door gesehen."
    assert alert_as_dict(alert)["unknown"] == {"id": str(first.pk), "number": 1}


# --- Their order ---
@pytest.mark.django_db(transaction=True)
def test_alerts_of_a_gallery_are_committed_in_the_order_of_their_times():
    """A page that asks for what was raised after the newest it has shown would miss the others."""
    hall = GalleryFactory()
    door = CameraFactory(gallery=hall)
    offline = rule(hall, "camera_offline")
    told_first, commit, second_done = threading.Event(), threading.Event(), threading.Event()

    def first():
        with transaction.atomic():
            raising.tell(offline, camera=door)
            told_first.set()
            commit.wait(30)
        connection.close()

    def second():
        with transaction.atomic():
            raising.tell(offline, camera=door)
        second_done.set()
        connection.close()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert told_first.wait(30)
    threads[1].start()
    assert not second_done.wait(0.5) and not Alert.objects.exists()
    commit.set()
    for thread in threads:
        thread.join(30)
    assert second_done.is_set()
    assert list(Alert.objects.order_by("raised_at")) == list(Alert.objects.order_by("id"))
