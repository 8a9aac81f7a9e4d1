import csv
import io
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.utils import timezone
from factories import CameraFactory, GalleryFactory, IdentityFactory, member, stranger
from seen import open_sighting

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed
from recognition.attendance import services
from recognition.attendance.models import AttendanceCorrection, AttendanceDay
from recognition.attendance.report import Days, csv_lines, people_of
from recognition.cameras.models import LivePeriod, Sighting

pytestmark = pytest.mark.django_db
DAY = date(2026, 5, 4)


@pytest.fixture
def hall():
    return GalleryFactory(time_zone="Europe/Berlin")


@pytest.fixture
def anna(hall):
    return IdentityFactory(gallery=hall, name="Anna", department="Sales")


def at(hour: int, minute: int = 0, day: date = DAY) -> datetime:
    """UTC; Berlin is two hours ahead."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def seen(person, first: datetime, last: datetime | None = None, **fields) -> Sighting:
    row = open_sighting(person.gallery, at=first, decision="known", identity=person, **fields)
    row.last_seen = last or first
    row.save()
    services.count_sighting(row)
    return row


def day_of(person, day: date = DAY):
    return Days(person.gallery, day, day, [person]).of(person, day)


def live(gallery, first: datetime, last: datetime, **fields) -> None:
    camera = fields.get("camera") or CameraFactory(gallery=gallery)
    LivePeriod.objects.create(gallery=gallery, camera=camera, began_at=first, ended_at=last)


def test_a_day_has_first_and_last_and_the_cameras(hall, anna):
    door, yard = CameraFactory(gallery=hall, name="Door"), CameraFactory(gallery=hall, name="Yard")
    seen(anna, at(6, 30), at(6, 31), camera=door)
    seen(anna, at(11), camera=yard)
    seen(anna, at(15), at(15, 5), camera=door)
    row = day_of(anna)
    assert (row.presence, row.first_seen, row.last_seen, row.sightings) == ("present", at(6, 30), at(15, 5), 3)
    assert row.cameras == ("Door", "Yard") and (row.first_camera, row.last_camera) == ("Door", "Door")
    door.delete()
    assert day_of(anna).sightings == 3 and day_of(anna).cameras == ("Yard",)


def test_a_sighting_across_midnight_counts_on_both_days(anna):
    seen(anna, at(21, 50), at(22, 10))  # midnight in Berlin is 22:00 UTC
    first, second = AttendanceDay.objects.order_by("date")
    assert (first.date, first.last_seen) == (DAY, at(22))
    assert (second.date, second.first_seen) == (DAY + timedelta(days=1), at(22))


def test_the_same_sighting_twice_is_counted_once(anna):
    row = seen(anna, at(6))
    row.last_seen = at(7)
    row.save()
    services.count_sighting(row)
    assert (day_of(anna).sightings, day_of(anna).last_seen) == (1, at(7))


def test_nobody_is_absent_where_no_camera_gave_pictures(hall, anna):
    assert day_of(anna).presence == "no_data"
    live(hall, at(5), at(9))
    assert day_of(anna).presence == "absent"
    assert day_of(anna, DAY - timedelta(days=1)).presence == "no_data"


def test_a_correction_of_who_it_was_moves_the_day(hall, anna):
    bella = IdentityFactory(gallery=hall, name="Bella")
    row = seen(anna, at(6))
    seen(anna, at(9))
    Sighting.objects.filter(pk=row.pk).update(identity=bella)
    services.recount([anna.pk, bella.pk])
    assert (day_of(anna).sightings, day_of(bella).sightings) == (1, 1)
    Sighting.objects.filter(identity=anna).update(identity=None, decision="unknown")
    services.recount([anna.pk])
    assert day_of(anna).presence == "no_data"


def test_days_outlive_their_sightings(hall, anna):
    old = DAY - timedelta(days=60)
    camera = CameraFactory(gallery=hall)
    gone = seen(anna, at(6, day=old), camera=camera)
    seen(anna, at(6), camera=camera)
    gone.delete()
    services.recount([anna.pk])
    assert day_of(anna, old).presence == "present"


def test_who_is_inside_is_known_where_doors_have_a_direction(hall, anna):
    now = timezone.now()
    bella = IdentityFactory(gallery=hall)
    entrance, way_out = CameraFactory(gallery=hall, role="entrance"), CameraFactory(gallery=hall, role="exit")
    seen(anna, now - timedelta(minutes=3), camera=entrance)
    seen(bella, now - timedelta(minutes=3), camera=entrance)
    seen(bella, now - timedelta(minutes=1), camera=way_out)
    seen(anna, now, camera=CameraFactory(gallery=hall))  # both ways: tells nothing
    today = services.day_of(hall, now)
    days = Days(hall, today, today, [anna, bella])
    assert (days.of(anna, today).inside, days.of(bella, today).inside) == (True, False)


def correct(person, **values):
    given = {"day": DAY, "presence": "present", "reason": "was at a customer's"} | values
    actor = given.pop("actor", None) or member(person.gallery, Role.CURATOR)
    return services.correct(actor=actor, identity=person, **given)


def test_a_correction_by_hand_counts_until_it_is_taken_back(hall, anna):
    live(hall, at(5), at(9))
    correct(anna, came=time(8), left=time(16))
    row = day_of(anna)
    assert (row.presence, row.first_seen, row.last_seen) == ("present", at(6), at(14))
    second = correct(anna, presence="absent", reason="a mistake")
    assert day_of(anna).presence == "absent"
    services.withdraw(actor=system_actor(), correction=second)
    assert day_of(anna).presence == "absent" and day_of(anna).correction is None
    with pytest.raises(Conflict):
        services.withdraw(actor=system_actor(), correction=second)
    told = AuditEvent.objects.filter(object_id=str(anna.pk)).values_list("action", flat=True)
    assert sorted(told) == ["attendance.corrected"] * 2 + ["attendance.correction_withdrawn"]


@pytest.mark.parametrize(
    "values",
    [
        {"reason": " "},
        {"day": date(2999, 1, 1)},
        {"presence": "perhaps"},
        {"presence": "absent", "came": time(8)},
        {"came": time(16), "left": time(8)},
        {"reason": "x" * 201},
    ],
)
def test_a_correction_that_makes_no_sense_is_refused(anna, values):
    with pytest.raises(InvalidInput):
        correct(anna, **values)
    assert not AttendanceCorrection.objects.exists()


def test_viewers_and_strangers_correct_nothing(anna):
    for actor in (member(anna.gallery, Role.VIEWER), stranger()):
        with pytest.raises(NotAllowed):
            correct(anna, actor=actor)
    assert not AttendanceCorrection.objects.exists()


def test_the_table_is_safe_to_open_in_a_spreadsheet(client, hall, anna):
    anna.name = "=HYPERLINK(1)"
    anna.save()
    seen(anna, at(6, 30))
    client.force_login(member(hall, Role.VIEWER).user)
    answer = client.get(f"/galleries/{hall.slug}/attendance?day={DAY}&format=csv")
    [head, line] = csv.reader(io.StringIO(b"".join(answer.streaming_content).decode()))
    row = dict(zip(head, line, strict=True))
    assert row["name"] == "'=HYPERLINK(1)" and row["presence"] == "present"
    assert row["first seen"] == "2026-05-04T08:30:00+02:00" and row["first seen (UTC)"] == "2026-05-04T06:30:00+00:00"


def test_pages_of_a_day_a_month_and_a_person(client, hall, anna, django_assert_max_num_queries):
    IdentityFactory.create_batch(30, gallery=hall)
    seen(anna, at(6, 30), camera=CameraFactory(gallery=hall, name="Door"))
    client.force_login(member(hall, Role.CURATOR).user)
    with django_assert_max_num_queries(16):
        day = client.get(f"/galleries/{hall.slug}/attendance?day={DAY}").content.decode()
    assert "08:30–08:30, Door" in day and "<strong>1</strong> seen" in day
    with django_assert_max_num_queries(16):
        month = client.get(f"/galleries/{hall.slug}/attendance/month?month=2026-05").content.decode()
    assert month.count("●") == 1 + 1 and "4 May: Present, 08:30–08:30" in month
    address = f"/galleries/{hall.slug}/attendance/people/{anna.pk}"
    assert "08:30" in client.get(f"{address}?month=2026-05").content.decode()
    form = {"date": "2026-05-05", "presence": "present", "came": "09:00", "reason": "phone"}
    assert client.post(f"{address}/correct", form).status_code == 302
    assert "phone" in client.get(f"{address}?month=2026-05").content.decode()
    assert client.post(f"{address}/correct", form | {"reason": ""}).status_code == 400
    withdraw = f"/galleries/{hall.slug}/attendance/corrections/{AttendanceCorrection.objects.get().pk}/withdraw"
    assert client.post(withdraw).status_code == 302
    assert AttendanceCorrection.objects.in_force().count() == 0


def test_a_department_alone(client, hall, anna):
    IdentityFactory(gallery=hall, name="Carl", department="IT")
    client.force_login(member(hall, Role.VIEWER).user)
    page = client.get(f"/galleries/{hall.slug}/attendance?department=Sales").content.decode()
    assert "Anna" in page and "Carl" not in page
    assert list(people_of(hall, "IT").values_list("name", flat=True)) == ["Carl"]


def test_a_page_of_another_gallery_is_not_there(client, hall, anna):
    client.force_login(stranger().user)
    for path in ("", "/month", f"/people/{anna.pk}"):
        assert client.get(f"/galleries/{hall.slug}/attendance{path}").status_code == 404


def test_lines_of_several_days(hall, anna):
    lines = list(csv_lines(Days(hall, DAY, DAY + timedelta(days=2), [anna])))
    assert [line[0] for line in lines[1:]] == ["2026-05-04", "2026-05-05", "2026-05-06"]
