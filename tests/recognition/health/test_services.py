"""Gallery health: what the job finds and keeps, what curators do about it, who may."""

from datetime import timedelta

import numpy as np
import pytest
from api_client import client_of, problem
from django.core.management import call_command
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, SampleFactory, member, stranger, unit
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.curation.history import undo
from gallery.models import FaceSample, Identity, ThresholdSource
from gallery.services import update_identity
from recognition.health import services, tasks
from recognition.health.fixes import fix, fixes_of
from recognition.health.models import HealthFinding, HealthReport
from recognition.health.services import dismiss_finding, request_health, restore_finding, run_health
from recognition.health.words import explain
from recognition.lab.evaluation import gallery_health

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff", threshold_source=ThresholdSource.MANUAL, threshold_distance=0.5)


@pytest.fixture
def curator(gallery):
    return member(gallery, Role.CURATOR)


def near(index: int, by: float = 0.0) -> np.ndarray:
    return unit(index) + by * unit(100 + index)


def enrol(gallery, name: str, *vectors, **fields) -> Identity:
    person = IdentityFactory(gallery=gallery, name=name)
    for number, vector in enumerate(vectors):
        SampleFactory(identity=person, vector=vector, photo_name=f"{name}-{number}.jpg", **fields)
    return person


@pytest.fixture
def people(gallery) -> dict[str, Identity]:
    """Ann and Bob are fine, one of Bob's faces lies with Ann; Cid is there twice; Dora has one face, Eve none."""
    found = {
        "Ann": enrol(gallery, "Ann", near(0), near(0, 0.1), near(0, 0.2), near(1, 0.15)),
        "Bob": enrol(gallery, "Bob", near(1), near(1, 0.1), near(1, 0.2)),
        "Cid": enrol(gallery, "Cid", near(2), near(2, 0.1)),
        "Sid": enrol(gallery, "Sid", near(2, 0.2), near(2, 0.3)),
        "Dora": enrol(gallery, "Dora", near(3)),
        "Eve": IdentityFactory(gallery=gallery, name="Eve"),
    }
    enrol(GalleryFactory(), "Somebody elsewhere", near(0))
    return found


def look(gallery, actor) -> HealthReport:
    return run_health(request_health(actor=actor, gallery=gallery).pk)


def shown(gallery) -> set[tuple[str, str]]:
    rows = HealthFinding.objects.filter(gallery=gallery, dismissed_at=None).current().select_related("identity")
    return {(row.reason, row.identity.name) for row in rows}


def finding(gallery, reason: str) -> HealthFinding:
    return HealthFinding.objects.with_people().get(gallery=gallery, reason=reason)


EVERYTHING = {("looks_like_other", "Ann"), ("same_person", "Cid"), ("single", "Dora"), ("no_face", "Eve")}


# --- What is found ---
def test_the_words_of_rows_and_maths_are_the_same():
    assert set(HealthFinding.Reason.values) == {str(reason) for reason in gallery_health.Reason}
    assert set(HealthFinding.Kind.values) == {str(kind) for kind in gallery_health.Kind}


def test_what_is_wrong_is_found_with_its_numbers(gallery, curator, people):
    report = look(gallery, curator)
    assert (report.status, report.people, report.faces, report.threshold) == ("done", 5, 12, 0.5)
    assert report.counts == {"looks_like_other": 1, "same_person": 1, "single": 1, "no_face": 1}
    assert shown(gallery) == EVERYTHING
    wrong = finding(gallery, "looks_like_other")
    assert (wrong.sample.photo_name, wrong.other) == ("Ann-3.jpg", people["Bob"])
    assert wrong.distance == pytest.approx(0.05, abs=2e-3) and wrong.own_distance > 1.4
    assert wrong.own_sample.identity == people["Ann"] and wrong.other_sample.identity == people["Bob"]
    twice = finding(gallery, "same_person")
    assert {twice.identity, twice.other} == {people["Cid"], people["Sid"]} and (twice.found, twice.total) == (4, 4)
    assert AuditEvent.objects.get().action == "gallery.health_requested"


def test_inactive_and_rejected_are_left_out(gallery, curator, people):
    update_identity(actor=curator, identity=people["Sid"], active=False)
    update_identity(actor=curator, identity=people["Eve"], active=False)
    sample = people["Ann"].samples.get(photo_name="Ann-3.jpg")
    FaceSample.objects.filter(pk=sample.pk).update(rejected=True)
    look(gallery, curator)
    assert shown(gallery) == {("single", "Dora")}


def test_not_x_of_both_keeps_twins_apart(gallery, curator, people):
    enrol(gallery, "x", near(2, 0.21), rejected=True).samples.update(identity=people["Cid"])
    enrol(gallery, "y", near(2, 0.09), rejected=True).samples.update(identity=people["Sid"])
    Identity.objects.filter(name__in="xy").delete()
    look(gallery, curator)
    assert "same_person" not in {reason for reason, _ in shown(gallery)}


def test_an_empty_gallery_is_healthy(gallery, curator):
    report = look(gallery, curator)
    assert (report.status, report.faces, report.counts) == ("done", 0, {})


def test_of_very_many_findings_those_to_look_at_first_are_kept(gallery, curator, monkeypatch):
    monkeypatch.setattr(services, "MOST_PER_REASON", 2)
    for number in range(4):
        enrol(gallery, f"Single {number}", near(number))
    assert look(gallery, curator).counts == {"single": 4}
    assert HealthFinding.objects.count() == 2


# --- What is done about it ---
FIXES = {
    "move": ("looks_like_other", "sample.moved"),
    "reject": ("looks_like_other", "sample.rejected"),
    "split": ("looks_like_other", "identity.split"),
    "delete": ("looks_like_other", "sample.deleted"),
    "merge": ("same_person", "identity.merged"),
    "merge-back": ("same_person", "identity.merged"),
}


@pytest.mark.parametrize("action", FIXES)
def test_a_fix_settles_it_and_undone_it_is_back(gallery, curator, people, action):
    look(gallery, curator)
    reason, event = FIXES[action]
    row = finding(gallery, reason)
    fixed = fix(actor=curator, finding=row, action=action, name="Zoe")
    assert (fixed.event.action, fixed.text[-1]) == (event, ".")
    assert {r for r, _ in shown(gallery)} == {r for r, _ in EVERYTHING} - {reason}
    with pytest.raises(Conflict, match="no longer applies"):
        fix(actor=curator, finding=row, action=action, name="Zoe")
    look(gallery, curator)
    assert reason not in {r for r, _ in shown(gallery)}
    undo(actor=curator, event=fixed.event)
    look(gallery, curator)
    assert shown(gallery) == EVERYTHING


def test_a_fix_that_does_not_fit_or_lacks_a_name(gallery, curator, people):
    look(gallery, curator)
    row = finding(gallery, "looks_like_other")
    for action, name in (("merge", ""), ("nonsense", ""), ("restore", ""), ("split", "  ")):
        with pytest.raises(InvalidInput):
            fix(actor=curator, finding=row, action=action, name=name)
    assert shown(gallery) == EVERYTHING


def test_what_is_fine_does_not_come_again(gallery, curator, people):
    look(gallery, curator)
    row = finding(gallery, "same_person")
    dismiss_finding(actor=curator, finding=row)
    with pytest.raises(Conflict):
        dismiss_finding(actor=curator, finding=row)
    SampleFactory(identity=people["Sid"], vector=near(2, 0.15))  # now the pair may be found the other way round
    look(gallery, curator)
    assert shown(gallery) == EVERYTHING - {("same_person", "Cid")}
    row.refresh_from_db()
    assert fixes_of(row) == ("restore",) and row.dismissed_by == curator.user
    restore_finding(actor=curator, finding=row)
    assert ("same_person", "Cid") in shown(gallery)
    actions = AuditEvent.objects.filter(action__startswith="health.").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["health.dismissed", "health.restored"]


def test_a_person_with_poor_faces_alone_needs_better_photos_not_a_deletion(gallery, curator):
    enrol(gallery, "Ann", near(0), near(0, 0.1), quality_score=0.2, quality={"measures": {}, "reasons": ["blurred"]})
    look(gallery, curator)
    row = finding(gallery, "poor")
    assert (row.kind, row.sample, fixes_of(row)) == ("weak", None, ("dismiss",))
    assert explain(row, 0.5) == "All faces of Ann are of poor quality. Add better photos."
    with pytest.raises(InvalidInput):
        fix(actor=curator, finding=row, action="delete")
    assert FaceSample.objects.count() == 2


def test_another_question_about_the_same_person_is_asked(gallery, curator, people):
    look(gallery, curator)
    dismiss_finding(actor=curator, finding=finding(gallery, "single"))
    SampleFactory(identity=people["Dora"], vector=near(20))
    look(gallery, curator)
    assert ("not_found", "Dora") in shown(gallery)


# --- The job ---
def test_one_computes_at_a_time_and_an_interrupted_one_is_taken_over(gallery, curator, people):
    report = request_health(actor=curator, gallery=gallery)
    later = timezone.now() + timedelta(minutes=1)
    running = {"status": "running", "runner": report.pk, "lease_expires_at": later}
    HealthReport.objects.update(**running)
    assert run_health(gallery.pk) is None
    with pytest.raises(Conflict):
        request_health(actor=curator, gallery=gallery)
    HealthReport.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    assert HealthReport.objects.get().interrupted
    assert run_health(gallery.pk).status == "done"
    assert run_health(gallery.pk) is None  # nobody waits for it any more


def test_who_lost_the_lease_writes_nothing(gallery, curator, people, monkeypatch):
    report = request_health(actor=curator, gallery=gallery)
    whole = services.compute_findings

    def slow(*arguments):
        found = whole(*arguments)
        HealthReport.objects.update(runner=gallery.pk)  # somebody else has taken it
        return found

    monkeypatch.setattr(services, "compute_findings", slow)
    left = run_health(report.pk)
    assert (left.status, left.runner) == ("running", gallery.pk)
    assert not HealthFinding.objects.exists()


def test_a_crash_is_said_and_what_stood_stands(gallery, curator, people, monkeypatch):
    look(gallery, curator)

    def crash(*arguments):
        raise RuntimeError("no memory")

    monkeypatch.setattr(services, "compute_findings", crash)
    with pytest.raises(RuntimeError):
        look(gallery, curator)
    report = HealthReport.objects.get()
    assert (report.status, report.runner) == ("failed", None) and "log" in report.error_message
    assert shown(gallery) == EVERYTHING


def test_the_job_is_queued_once_and_does_it(gallery, curator, people):
    for _ in range(2):
        tasks.start(request_health(actor=curator, gallery=gallery))
    assert ProcrastinateJob.objects.filter(task_name="recognition.health.tasks.compute_health").count() == 1
    tasks.compute_health(str(gallery.pk))
    assert shown(gallery) == EVERYTHING


def test_the_command(gallery, people, capsys):
    call_command("health", gallery="staff")
    out = capsys.readouterr().out
    assert "outlier   Ann (Ann-3.jpg): Nearer to Bob (0.05)" in out
    assert "12 faces of 5 people" in out and "1 people enrolled twice, 2 weak people." in out


# --- Pages and API ---
def test_the_page_shows_and_fixes(client, gallery, curator, people, django_assert_max_num_queries):
    client.force_login(curator.user)
    assert "The gallery has not been checked yet." in client.get("/galleries/staff/health").content.decode()
    assert client.post("/galleries/staff/health/look-again").status_code == 302
    assert "Waiting for the job worker" in client.get("/galleries/staff/health").content.decode()
    bar = client.get("/galleries/staff/health", headers={"HX-Request": "true"}).content.decode()
    assert "<progress" in bar and "<html" not in bar
    run_health(gallery.pk)
    assert client.get("/galleries/staff/health", headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    with django_assert_max_num_queries(20):
        page = client.get("/galleries/staff/health").content.decode()
    row = finding(gallery, "looks_like_other")
    assert "it would be recognised as Bob" in page and "Move to Bob" in page and "Faces that do not fit (1)" in page
    for sample in (row.sample_id, row.own_sample_id, row.other_sample_id):
        assert f"/api/v1/samples/{sample}/crop.jpg" in page
    answer = client.post(f"/galleries/staff/health/{row.pk}/move", follow=True).content.decode()
    assert "Ann-3.jpg now belongs to Bob." in answer and "/undo/" in answer
    twins = finding(gallery, "same_person")
    answer = client.post(f"/galleries/staff/health/{twins.pk}/dismiss", follow=True).content.decode()
    assert "Fine (1)" in answer and "/undo/" not in answer
    assert "Show again" in client.get("/galleries/staff/health?show=dismissed").content.decode()
    answer = client.post(f"/galleries/staff/health/{row.pk}/move", follow=True).content.decode()
    assert "no longer applies" in answer


def test_the_api(gallery, curator, people):
    api = client_of(curator)
    address = "/api/v1/galleries/staff/health"
    assert api.get(address).json()["status"] == "none"
    answer = api.post(address)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    run_health(gallery.pk)
    report = api.get(address).json()
    assert (report["status"], report["faces"], report["counts"]["single"]) == ("done", 12, 1)
    found = api.get(f"{address}/findings", {"kind": "outlier"}).json()["results"]
    assert [row["other"]["name"] for row in found] == ["Bob"]
    assert found[0]["text"].startswith("Nearer to Bob") and "move" in found[0]["fixes"]
    problem(api.post(f"{address}/findings"), 405, "method_not_allowed")
    assert len(api.get(f"{address}/findings", {"limit": 3}).json()["results"]) == 3
    done = api.post(f"/api/v1/health-findings/{found[0]['id']}/dismiss")
    assert done.status_code == 200 and done.json()["dismissed_at"]
    problem(api.post(f"/api/v1/health-findings/{found[0]['id']}/dismiss"), 409, "conflict")
    assert api.get(f"{address}/findings", {"kind": "outlier"}).json()["results"] == []
    assert len(api.get(f"{address}/findings", {"dismissed": "true"}).json()["results"]) == 1
    assert api.post(f"/api/v1/health-findings/{found[0]['id']}/restore").json()["dismissed_at"] is None


@pytest.mark.parametrize("role", [None, Role.VIEWER])
def test_viewers_and_strangers_see_and_change_nothing(client, gallery, curator, people, role):
    look(gallery, curator)
    row, events = finding(gallery, "looks_like_other"), AuditEvent.objects.count()
    actor = member(gallery, role) if role else stranger()
    api = client_of(actor)
    client.force_login(actor.user)
    status = 403 if role else 404
    for user in (api, client):
        prefix = "/api/v1" if user is api else ""
        assert user.get(f"{prefix}/galleries/staff/health").status_code == status
    assert api.get("/api/v1/galleries/staff/health/findings").status_code == status
    assert api.post("/api/v1/galleries/staff/health").status_code == status
    assert client.post("/galleries/staff/health/look-again").status_code == status
    assert client.post(f"/galleries/staff/health/{row.pk}/move").status_code == status
    for action in ("dismiss", "restore"):
        assert api.post(f"/api/v1/health-findings/{row.pk}/{action}").status_code == 404
    assert shown(gallery) == EVERYTHING and AuditEvent.objects.count() == events
