"""Re-embedding through the API, the pages and the command."""

import json

import pytest
from api_client import client_of, problem
from django.core.management import CommandError, call_command
from django.test import Client
from factories import IdentityFactory, member, stranger
from reembedded import SECOND, SYSTEM, enrol, recognise, work_off
from rest_framework.test import APIClient
from seen import sight_photo

from accounts.keys.services import create_api_key
from accounts.roles import Role, Scope
from gallery.pack_in_force import vectors_by_pack
from gallery.search.query import nearest_identities
from recognition.photos.worker import RecognitionWorker
from recognition.reembedding import services
from recognition.reembedding.models import PreviewedFace, ReEmbedding
from recognition.sightings.corrections import reject_name

pytestmark = pytest.mark.django_db
BASE = "/api/v1/galleries/staff"


def test_over_rest_from_the_start_to_the_way_back(worker, gallery, hopper_again):
    recognise(worker, gallery, hopper_again)
    owner = client_of(member(gallery, Role.OWNER))
    started = owner.post(f"{BASE}/reembeddings", {"pack": SECOND}, format="json")
    assert (started.status_code, started.json()["status"]) == (202, "running")
    address = started["Location"]
    problem(owner.post(f"{BASE}/reembeddings", {"pack": SECOND}, format="json"), 409, "conflict")
    problem(owner.post(f"{address}/cut-over"), 409, "reembedding_incomplete")
    assert owner.post(f"{address}/stop").json()["status"] == "stopped"
    assert owner.post(f"{BASE}/reembeddings", {"pack": SECOND}, format="json").json()["id"] == started.json()["id"]
    work_off(worker)
    job = owner.get(address).json()
    assert (job["status"], job["progress"]["embedded"], job["progress"]["previewed"]) == ("ready", 3, 1)
    assert job["preview"]["decisions"]["none"] == 1
    assert owner.get(f"{address}/preview").json() == {"results": [], "next": None, "previous": None}
    PreviewedFace.objects.update(change="known_to_unknown")
    [change] = owner.get(f"{address}/preview?change=known_to_unknown").json()["results"]
    assert change["before"]["identity"]["name"] == "Grace"
    assert owner.get(f"{address}/preview?change=other_person").json()["results"] == []
    assert owner.post(f"{address}/cut-over").json()["status"] == "in_force"
    assert owner.get(BASE).json()["pack"] == SECOND
    back = owner.post(f"{BASE}/pack/back").json()
    assert (back["status"], back["way_back"], owner.get(BASE).json()["pack"]) == ("in_force", True, "dlib-resnet")
    assert owner.post(f"{BASE}/pack/forget-old").json() == {"forgotten": {SECOND: 3}}
    listed = owner.get(f"{BASE}/reembeddings").json()["results"]
    assert [row["status"] for row in listed] == ["in_force", "left"]


ACTS = (
    "POST /reembeddings", "GET /reembeddings", "GET /reembeddings/{pk}", "GET /reembeddings/{pk}/preview",
    "POST /reembeddings/{pk}/cut-over", "POST /reembeddings/{pk}/stop", "POST /pack/back", "POST /pack/forget-old",
)  # fmt: skip


@pytest.mark.parametrize("act", ACTS)
def test_the_api_is_for_owners_with_the_scope(worker, gallery, act):
    job = services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    work_off(worker)
    method, path = act.format(pk=job.pk).split()
    before = list(ReEmbedding.objects.values()), vectors_by_pack(gallery.pk)
    for role in (Role.VIEWER, Role.CURATOR):
        answer = client_of(member(gallery, role)).generic(
            method, BASE + path, json.dumps({"pack": SECOND}), content_type="application/json"
        )
        assert answer.status_code == (404 if "{pk}" in act else 403)
    assert client_of(stranger()).generic(method, BASE + path).status_code in (400, 404)
    owner = member(gallery, Role.OWNER)
    _, key = create_api_key(actor=SYSTEM, user=owner.user, scopes=[Scope.ENROL, Scope.RECOGNIZE])
    problem(APIClient(HTTP_AUTHORIZATION=f"Bearer {key}").generic(method, BASE + path), 403, "scope_missing")
    assert (list(ReEmbedding.objects.values()), vectors_by_pack(gallery.pk)) == before
    gallery.refresh_from_db()
    assert gallery.pack == "dlib-resnet"


def test_the_page_from_the_start_to_the_way_back(worker, gallery, hopper_again):
    recognise(worker, gallery, hopper_again)
    page = Client()
    page.force_login(member(gallery, Role.OWNER).user)
    address = "/galleries/staff/model"
    assert "Embed again with second" in page.get(address).content.decode()
    page.post(f"{address}/start", {"pack": SECOND})
    job = ReEmbedding.objects.get()
    assert "every 2s" in page.get(address).content.decode()
    assert "not embedded under second yet" in page.post(f"{address}/{job.pk}/cut-over", follow=True).content.decode()
    work_off(worker)
    partial = page.get(address, headers={"HX-Request": "true"})
    assert partial["HX-Refresh"] == "true"
    assert "Put second in force" in partial.content.decode()
    PreviewedFace.objects.update(change="known_to_unknown", after="unknown", after_identity=None)
    text = page.get(f"{address}?change=known_to_unknown").content.decode()
    assert f"/recognitions/{PreviewedFace.objects.get().face.request_id}/faces/0.jpg" in text
    assert "No such changes" in page.get(f"{address}?change=other_person").content.decode()
    page.post(f"{address}/{job.pk}/cut-over")
    text = page.get(address).content.decode()
    assert "In force: second" in text
    assert "Go back to dlib-resnet" in text
    page.post(f"{address}/back")
    assert "In force: dlib-resnet" in page.get(address).content.decode()
    page.post(f"{address}/forget")
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": 3}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.CURATOR])
def test_the_page_is_for_owners(worker, gallery, role):
    page = Client()
    page.force_login(member(gallery, role).user)
    job = services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    work_off(worker)
    assert page.get("/galleries/staff/model").status_code == 403
    assert "/galleries/staff/model" not in page.get("/galleries/staff/").content.decode()
    for act, status in (
        ("start", 403),
        ("back", 403),
        ("forget", 403),
        (f"{job.pk}/stop", 404),
        (f"{job.pk}/cut-over", 404),
    ):
        assert page.post(f"/galleries/staff/model/{act}", {"pack": SECOND}).status_code == status
    page.force_login(member(gallery, Role.OWNER).user)
    assert page.post("/galleries/staff/model/start", {"pack": "a\0b"}).status_code == 400
    job.refresh_from_db()
    assert (job.status, vectors_by_pack(gallery.pk)[SECOND]) == ("ready", 3)


def test_the_command(worker, gallery, hopper_again, capsys, monkeypatch):
    """Uses the packs that the fixture has loaded; outside tests the command loads them itself."""
    monkeypatch.setattr(RecognitionWorker, "pipeline", lambda self, pack: worker._pipelines[pack])
    recognise(worker, gallery, hopper_again)

    def run(*options) -> str:
        call_command("reembed", "--gallery", "staff", *options)
        return capsys.readouterr().out

    out = run("--pack", SECOND)
    assert "3 of 3 enrolled faces are embedded" in out
    assert "Of 1 past decisions, 1 stay the same" in out
    assert "--cut-over" in out
    answer = json.loads(run("--pack", SECOND, "--cut-over", "--json"))
    assert (answer["status"], answer["changes"]) == ("in_force", [])
    gallery.refresh_from_db()
    enrol(worker, IdentityFactory(gallery=gallery), hopper_again)
    assert "dlib-resnet is in force in staff" in run("--back")
    assert "4 vectors of second deleted" in run("--forget-old")
    with pytest.raises(CommandError, match="packs install absent"):
        run("--pack", "absent")
    with pytest.raises(CommandError, match="no gallery"):
        call_command("reembed", "--gallery", "nowhere", "--back")


@pytest.mark.django_db(
    transaction=True
)  # as long as a sign of life of the worker, which would wait for this transaction
def test_not_x_of_a_sighting_from_before_the_change_of_pack_is_remembered(
    worker, gallery, pipeline, second_pipeline, hopper_again
):
    """Its vector is one of the pack of then; a worker gives it one of the pack in force."""
    grace = gallery.identities.get(name="Grace")
    sighting = sight_photo(gallery, pipeline, hopper_again, identity=grace)
    job = services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=SECOND)
    work_off(worker)
    job.refresh_from_db()
    services.cut_over(actor=SYSTEM, job=job)
    gallery.refresh_from_db()
    [analysis] = second_pipeline.analyse([hopper_again], purposes=["probe"])
    probes = analysis.faces[0].embedding[None]
    search = {"gallery_id": gallery.pk, "pack": SECOND, "probes": probes, "top_k": 1}
    assert nearest_identities(**search)[0][0].identity_id == grace.pk
    grace.samples.exclude(photo_name="0.jpg").delete()  # else the same photo, enrolled, is nearer than itself
    assert reject_name(actor=SYSTEM, sighting=sighting, identity=grace).event.details["remembered"]
    rejected = grace.samples.get(rejected=True)
    assert set(rejected.embeddings.values_list("pack", flat=True)) == {"dlib-resnet"}
    work_off(worker)
    assert set(rejected.embeddings.values_list("pack", flat=True)) == {"dlib-resnet", SECOND}
    assert grace.pk not in {match.identity_id for match in nearest_identities(**search)[0]}
