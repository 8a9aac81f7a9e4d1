"""A curator's word on a recognised face, on real faces: right, is Y, a new person; refused by the gate, undone, denied."""

import pytest
from api_client import client_of, problem
from factories import IdentityFactory, SampleFactory, member, unit
from subjects import erase

from accounts.actor import system_actor
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotAllowed, Unprocessable
from gallery.curation.history import undo
from gallery.models import FaceSample, Identity, history_of
from gallery.services import update_gallery
from recognition.photos.corrections import confirm_face, name_face
from recognition.photos.models import RecognitionFace, RecognitionRequest
from recognition.photos.rejections import reject_identity
from recognition.photos.representation import recognition_as_dict
from recognition.photos.services import Photo, submit_recognition

pytestmark = pytest.mark.django_db
SYSTEM = system_actor()


@pytest.fixture
def curator(gallery):
    return member(gallery, Role.CURATOR)


@pytest.fixture
def recognise(gallery, worker):
    def run(photo: bytes) -> RecognitionFace:
        row = submit_recognition(actor=SYSTEM, gallery=gallery, photo=Photo("probe.jpg", photo), needs_worker=False)
        worker.run_once()
        return RecognitionFace.objects.select_related("request__gallery").get(request=row)

    return run


def now(face: RecognitionFace) -> tuple[str, str | None]:
    [shown] = recognition_as_dict(RecognitionRequest.objects.with_results().get(pk=face.request_id))["faces"]
    return shown["decision"], shown["identity"] and shown["identity"]["name"]


def test_a_wrong_match_is_somebody_else_who_is_found_from_then_on(gallery, curator, grace, recognise, hopper_again):
    face = recognise(hopper_again)
    anna = IdentityFactory(gallery=gallery, name="Anna")
    named = name_face(actor=curator, face=face, shown=grace, identity=anna)
    assert now(face) == ("known", "Anna")
    assert (named.sample.identity, named.sample.rejected) == (anna, False)
    assert now(recognise(hopper_again)) == ("known", "Anna")
    with pytest.raises(Conflict, match="in the meantime"):
        name_face(actor=curator, face=face, shown=grace, identity=anna)  # pressed twice
    assert FaceSample.objects.filter(identity=anna).count() == 1

    undone = undo(actor=curator, event=named.event)
    assert now(face) == ("known", "Grace")
    assert not FaceSample.objects.filter(identity=anna).exists() and not grace.samples.filter(rejected=True).exists()
    assert now(recognise(hopper_again)) == ("known", "Grace")
    undo(actor=curator, event=undone)
    assert now(face) == ("known", "Anna")


def test_an_unknown_face_becomes_a_new_person_and_that_is_undone(gallery, curator, recognise, collins):
    face = recognise(collins)
    named = name_face(actor=curator, face=face, shown=None, name="Eileen", fields={"department": "Space"})
    assert now(recognise(collins)) == ("known", "Eileen")
    assert (named.event.action, named.event.details["recognition"]) == ("face.named", str(face.request_id))
    undo(actor=curator, event=named.event)
    assert now(face) == ("unknown", None) and not Identity.objects.exists()


def test_the_gate_refuses_and_nobody_is_made_unless_the_curator_says_so(
    gallery, curator, grace, recognise, hopper_again
):
    update_gallery(actor=SYSTEM, gallery=gallery, quality_gate="strict")
    face = recognise(hopper_again)
    RecognitionFace.objects.filter(pk=face.pk).update(reasons=["extreme_pose"])
    with pytest.raises(Unprocessable, match="turned too far") as refused:
        name_face(actor=curator, face=face, shown=grace, name="Anna")
    assert refused.value.code == "extreme_pose"
    assert now(face) == ("known", "Grace") and Identity.objects.count() == 1 and FaceSample.objects.count() == 1
    named = name_face(actor=curator, face=face, shown=grace, name="Anna", gate="off")
    assert named.event.details["quality_gate"] == "off" and now(face) == ("known", "Anna")


def test_a_face_that_looks_like_a_third_person_is_refused(gallery, curator, grace, recognise, hopper_again):
    other = IdentityFactory(gallery=gallery, name="Anna")
    face = recognise(hopper_again)
    RecognitionFace.objects.filter(pk=face.pk).update(decision="unknown", identity=None)
    with pytest.raises(Unprocessable, match="more like Grace than like Anna"):
        name_face(actor=curator, face=face, shown=None, identity=other)
    named = name_face(actor=curator, face=face, shown=None, identity=other, enrol=False)
    assert (now(face), named.sample) == (("known", "Anna"), None)
    undo(actor=curator, event=named.event)
    assert now(face) == ("unknown", None)


def test_right_is_signed_once_and_can_be_undone(gallery, curator, grace, recognise, hopper_again):
    face = recognise(hopper_again)
    event = confirm_face(actor=curator, face=face, shown=grace)
    face.refresh_from_db()
    assert (face.named_by, face.identity) == (curator.user, grace) and grace.samples.count() == 1
    with pytest.raises(Conflict):
        confirm_face(actor=curator, face=face, shown=grace)
    undo(actor=curator, event=event)
    face.refresh_from_db()
    assert (face.named_by, face.named_at) == (None, None)


def test_not_x_of_a_face_that_is_enrolled_as_x_marks_that_sample(gallery, curator, recognise, collins):
    face = recognise(collins)
    eileen = name_face(actor=curator, face=face, shown=None, name="Eileen").identity
    face = RecognitionFace.objects.select_related("request__gallery").get(pk=face.pk)
    event = reject_identity(actor=curator, face=face, identity=eileen)
    assert now(face) == ("unknown", None)
    assert list(eileen.samples.values_list("rejected", flat=True)) == [True]
    undo(actor=curator, event=event)
    assert now(face) == ("known", "Eileen")
    reject_identity(actor=curator, face=face, identity=eileen)
    assert now(face) == ("unknown", None)


def test_not_x_is_taken_back_by_saying_that_it_is_x(gallery, curator, grace, recognise, hopper_again):
    face = recognise(hopper_again)
    reject_identity(actor=curator, face=face, identity=grace)
    named = name_face(actor=curator, face=face, shown=None, identity=grace)
    assert now(face) == ("known", "Grace") and not grace.samples.filter(rejected=True).exists()
    undo(actor=curator, event=named.event)
    assert now(face) == ("unknown", None) and grace.samples.filter(rejected=True).count() == 1


def test_an_erasure_finds_who_a_face_was_before(gallery, curator, grace, recognise, hopper_again):
    face = recognise(hopper_again)
    anna = IdentityFactory(gallery=gallery, name="Anna")
    named = name_face(actor=curator, face=face, shown=grace, identity=anna)
    assert history_of(RecognitionFace).objects.filter(identity=grace).exists()
    erase(grace)
    assert not history_of(RecognitionFace).objects.filter(identity=grace.pk).exists()
    with pytest.raises(Conflict):
        undo(actor=curator, event=named.event)
    assert now(face) == ("known", "Anna")
    RecognitionRequest.objects.get(pk=face.request_id).delete()
    assert not history_of(RecognitionFace).objects.exists()


def test_over_rest(gallery, curator, grace, recognise, hopper_again):
    face, client = recognise(hopper_again), client_of(curator)
    anna = IdentityFactory(gallery=gallery, name="Anna")
    address = f"/api/v1/recognitions/{face.request_id}/faces/0"
    assert client.post(f"{address}/confirm", {"identity": grace.pk}, format="json").status_code == 200
    problem(client.post(f"{address}/name", {"identity": anna.pk}, format="json"), 409, "edited_meanwhile")
    named = client.post(f"{address}/name", {"identity": anna.pk, "named": grace.pk}, format="json").json()
    assert named["faces"][0]["identity"]["name"] == "Anna" and anna.samples.count() == 1
    problem(client.post(f"{address}/name", {"named": anna.pk}, format="json"), 400, "invalid_input")


def test_a_denied_act_changes_nothing(gallery, grace, recognise, hopper_again):
    face = recognise(hopper_again)
    before, viewer = AuditEvent.objects.count(), member(gallery, Role.VIEWER)
    for act in (
        lambda: confirm_face(actor=viewer, face=face, shown=grace),
        lambda: name_face(actor=viewer, face=face, shown=grace, name="Anna"),
        lambda: name_face(actor=viewer, face=face, shown=grace, identity=grace),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert AuditEvent.objects.count() == before and FaceSample.objects.count() == Identity.objects.count() == 1
    face.refresh_from_db()
    assert face.named_at is None


def test_a_face_whose_picture_is_gone_is_named_but_not_enrolled(gallery, curator, grace, recognise, hopper_again):
    face = recognise(hopper_again)
    RecognitionFace.objects.filter(pk=face.pk).update(crop=b"", vector=None)
    anna = SampleFactory(identity__gallery=gallery, identity__name="Anna", vector=unit(3)).identity
    with pytest.raises(InvalidInput, match="has been deleted"):
        name_face(actor=curator, face=face, shown=grace, identity=anna)
    assert name_face(actor=curator, face=face, shown=grace, identity=anna, enrol=False).identity == anna
    assert now(face) == ("known", "Anna")
