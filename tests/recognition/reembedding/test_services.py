"""Moving a gallery to another pack and back, on real faces: nobody is lost, and nothing changes before the cut-over."""

import threading

import numpy as np
import pytest
from django.db import connection, transaction
from django.utils import timezone
from factories import IdentityFactory, SampleFactory, member
from reembedded import SECOND, SYSTEM, enrol, recognise, work_off

from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, NotAllowed, Unavailable
from gallery.models import FaceEmbedding, FaceSample, Gallery, Identity, VectorIndex
from gallery.pack_in_force import hold_pack, samples_without_vector, vectors_by_pack
from gallery.services import delete_sample, update_gallery
from recognition.photos import queue
from recognition.photos.rejections import reject_identity
from recognition.photos.services import Photo, submit_enrolment, submit_recognition
from recognition.reembedding import services
from recognition.reembedding.models import PreviewedFace, ReEmbedding

pytestmark = pytest.mark.django_db
Status = ReEmbedding.Status


def start(gallery, pack: str = SECOND) -> ReEmbedding:
    return services.start_reembedding(actor=SYSTEM, gallery=gallery, pack=pack)


def moved(worker, gallery) -> ReEmbedding:
    """Embeds the gallery under the second pack and cuts over."""
    job = start(gallery)
    work_off(worker)
    return services.cut_over(actor=SYSTEM, job=job)


def dump(gallery) -> dict:
    """The rows of the gallery, which must be the same after going back."""
    vectors = FaceEmbedding.objects.filter(gallery=gallery, pack="dlib-resnet").order_by("sample")
    return {
        "gallery": Gallery.objects.filter(pk=gallery.pk).values().get(),
        "people": list(Identity.with_deleted.filter(gallery=gallery).order_by("pk").values()),
        "samples": list(FaceSample.with_deleted.filter(gallery=gallery).order_by("pk").values()),
        "vectors": [(row.sample_id, row.vector) for row in vectors],
    }


def actions() -> list[str]:
    events = AuditEvent.objects.filter(action__startswith="gallery.").order_by("id")
    return list(events.values_list("action", flat=True))


def test_there_and_back_again(worker, gallery, hopper_again, collins):
    update_gallery(actor=SYSTEM, gallery=gallery, threshold_source="manual", threshold_distance=0.51)
    delete_sample(actor=SYSTEM, sample=FaceSample.objects.filter(identity__name="Grace").first())  # may be undone
    recognise(worker, gallery, collins)
    before = dump(gallery)
    job = start(gallery)
    assert recognise(worker, gallery, hopper_again).pack == "dlib-resnet"
    work_off(worker)
    job.refresh_from_db()
    assert (job.status, vectors_by_pack(gallery.pk)) == (Status.READY, {"dlib-resnet": 3, SECOND: 3})
    assert job.preview["thresholds"]["before"] == {"distance": 0.51, "source": "manual"}
    assert {face.change for face in job.faces.all()} == {PreviewedFace.Change.NONE}

    services.cut_over(actor=SYSTEM, job=job)
    gallery.refresh_from_db()
    assert (gallery.pack, gallery.threshold_source, gallery.threshold_distance) == (SECOND, "size", None)
    again = recognise(worker, gallery, collins)
    assert (again.pack, again.faces.get().identity.name) == (SECOND, "Eileen")
    assert again.threshold_distance < 0.39

    before["people"] = dump(gallery)["people"]  # who was recognised since
    back = services.go_back(actor=SYSTEM, gallery=gallery)
    assert back.status == Status.IN_FORCE
    assert dump(gallery) == before
    gallery.refresh_from_db()
    assert recognise(worker, gallery, collins).faces.get().identity.name == "Eileen"
    assert actions()[-4:] == [
        "gallery.reembedding_started",
        "gallery.pack_changed",
        "gallery.reembedding_started",
        "gallery.pack_changed",
    ]
    services.forget_old_vectors(actor=SYSTEM, gallery=gallery)
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": 3}
    assert dump(gallery)["vectors"] == before["vectors"]


def test_the_kept_crop_gives_nearly_the_vector_of_the_photo(worker, gallery, second_pipeline, hopper, collins):
    start(gallery)
    work_off(worker)
    for name, photo in (("Grace", hopper), ("Eileen", collins)):
        [face] = second_pipeline.analyse([photo], purposes=["enrol"])[0].faces
        sample = FaceSample.objects.filter(identity__name=name).first()
        kept = FaceEmbedding.objects.get(pack=SECOND, sample=sample).vector
        assert np.linalg.norm(face.embedding - np.array(kept)) < 0.05  # a tenth of a threshold


def test_a_person_enrolled_meanwhile_gets_vectors_of_both_packs(worker, gallery, hopper_again, no_face, both):
    job = start(gallery)
    work_off(worker)
    enrol(worker, IdentityFactory(gallery=gallery, name="Late"), hopper_again)
    with pytest.raises(services.Incomplete, match="1 of the enrolled faces"):
        services.cut_over(actor=SYSTEM, job=job)
    gallery.refresh_from_db()
    job.refresh_from_db()
    assert (gallery.pack, job.status, job.cursor) == ("dlib-resnet", Status.RUNNING, None)
    work_off(worker)
    services.cut_over(actor=SYSTEM, job=job)
    gallery.refresh_from_db()
    # Going back: who came after the cut-over is embedded under the old pack first.
    enrol(worker, Identity.objects.get(name="Eileen"), hopper_again)
    back = services.go_back(actor=SYSTEM, gallery=gallery)
    gallery.refresh_from_db()
    assert (back.status, gallery.pack) == (Status.RUNNING, SECOND)
    work_off(worker)
    gallery.refresh_from_db()
    back.refresh_from_db()
    assert (back.status, gallery.pack) == (Status.IN_FORCE, "dlib-resnet")
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": 5, SECOND: 5}


def test_photos_in_progress_at_the_cut_over_are_processed_under_the_new_pack(worker, gallery, hopper, hopper_again):
    late = IdentityFactory(gallery=gallery, name="Late")
    job = start(gallery)
    work_off(worker)
    photo, options = Photo("a.jpg", hopper_again), {"actor": SYSTEM, "needs_worker": False}
    [enrolment] = submit_enrolment(identity=late, photos=[photo], quality_gate="off", **options)
    recognition = submit_recognition(gallery=gallery, photo=photo, **options)
    as_asked = submit_recognition(gallery=gallery, photo=photo, threshold=0.5, **options)
    services.cut_over(actor=SYSTEM, job=job)
    claim = queue.claim(limit=8)  # as they were queued: under the old pack
    assert {request.pack for request in claim.requests} == {"dlib-resnet"}
    worker.process(claim)
    for row in (enrolment, recognition, as_asked):
        row.refresh_from_db()
    assert [(row.status, row.pack, row.attempts) for row in (enrolment, recognition)] == [("queued", SECOND, 0)] * 2
    assert (as_asked.status, as_asked.pack) == ("done", "dlib-resnet")  # its threshold is a distance of that pack
    worker.run_once()
    enrolment.refresh_from_db()
    recognition.refresh_from_db()
    assert (enrolment.status, recognition.status, recognition.threshold_source) == ("done", "done", "size")
    assert not samples_without_vector(gallery.pk, SECOND).exists()


def test_not_x_said_of_a_face_from_before_gets_its_new_vector(worker, gallery, both):
    grace = Identity.objects.get(name="Grace")
    face = recognise(worker, gallery, both).faces.get(identity=grace)
    moved(worker, gallery)
    reject_identity(actor=SYSTEM, face=face, identity=grace)
    assert samples_without_vector(gallery.pk, SECOND).count() == 1
    work_off(worker)
    assert not samples_without_vector(gallery.pk, SECOND).exists()
    gallery.refresh_from_db()
    assert not recognise(worker, gallery, both).faces.filter(identity=grace).exists()


@pytest.mark.django_db(transaction=True)
def test_a_cut_over_waits_for_the_sample_that_is_being_added(worker, gallery):
    job = start(gallery)
    work_off(worker)
    grace, outcome = Identity.objects.get(name="Grace"), []

    def cut_over():
        try:
            outcome.append(services.cut_over(actor=SYSTEM, job=job))
        except Conflict as error:
            outcome.append(error.code)
        finally:
            connection.close()

    with transaction.atomic():
        hold_pack(gallery.pk)
        SampleFactory(identity=grace, vector=np.zeros(128))
        other = threading.Thread(target=cut_over)
        other.start()
        other.join(0.5)
        assert outcome == []
    other.join()
    assert outcome == ["reembedding_incomplete"]


def test_faces_that_cannot_be_embedded_block_the_cut_over_until_they_are_deleted(worker, gallery):
    damaged = SampleFactory(identity=Identity.objects.get(name="Grace"), vector=np.zeros(128))
    without = SampleFactory(identity=Identity.objects.get(name="Eileen"), vector=np.zeros(128))
    without.crop.delete()
    job = start(gallery)
    work_off(worker)
    job.refresh_from_db()
    reasons = dict(job.unembedded.values_list("sample", "reason"))
    assert set(reasons) == {damaged.pk, without.pk}
    assert "damaged" in reasons[damaged.pk]
    assert "No picture" in reasons[without.pk]
    with pytest.raises(Conflict, match="2 of the enrolled faces cannot") as refused:
        services.cut_over(actor=SYSTEM, job=job)
    assert refused.value.code == "samples_unembedded"
    for sample in (damaged, without):
        delete_sample(actor=SYSTEM, sample=sample)
    services.cut_over(actor=SYSTEM, job=job)
    assert pack_of(gallery) == SECOND


def pack_of(gallery) -> str:
    return Gallery.objects.get(pk=gallery.pk).pack


def test_a_large_gallery_waits_for_its_index(worker, gallery, monkeypatch):
    monkeypatch.setattr("gallery.search.indexing.BUILD_FROM", 2)
    job = start(gallery)
    work_off(worker)
    with pytest.raises(Conflict) as refused:
        services.cut_over(actor=SYSTEM, job=job)
    assert (refused.value.code, pack_of(gallery)) == ("index_missing", "dlib-resnet")
    VectorIndex.objects.create(gallery=gallery, pack=SECOND, name="made", state=VectorIndex.State.READY)
    services.cut_over(actor=SYSTEM, job=job)
    back = services.go_back(actor=SYSTEM, gallery=gallery)
    work_off(worker)
    assert pack_of(gallery) == SECOND  # it waits for the old pack's index by itself
    VectorIndex.objects.create(gallery=gallery, pack="dlib-resnet", name="made too", state=VectorIndex.State.READY)
    work_off(worker)
    back.refresh_from_db()
    assert (back.status, pack_of(gallery)) == (Status.IN_FORCE, "dlib-resnet")


def test_stopped_and_started_again_it_goes_on(worker, gallery):
    job = start(gallery)
    with pytest.raises(Conflict, match="being embedded"):
        start(gallery)
    services.stop_reembedding(actor=SYSTEM, job=job)
    assert work_off(worker) == 0
    with pytest.raises(Conflict, match="is not running"):
        services.cut_over(actor=SYSTEM, job=job)
    assert start(gallery).pk == job.pk
    work_off(worker)
    job.refresh_from_db()
    assert job.status == Status.READY


def test_vectors_of_another_net_by_the_same_name_are_made_again(worker, gallery):
    job = moved(worker, gallery)
    services.go_back(actor=SYSTEM, gallery=gallery)
    ReEmbedding.objects.filter(pk=job.pk).update(embedding_id="of another net", created_at=timezone.now())
    ReEmbedding.objects.filter(restores=job).update(old_embedding_id="of another net")
    gallery.refresh_from_db()
    start(gallery)
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": 3}
    work_off(worker)
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": 3, SECOND: 3}


def test_a_worker_with_another_net_under_the_name_fails_the_re_embedding(worker, gallery):
    job = start(gallery)
    ReEmbedding.objects.filter(pk=job.pk).update(embedding_id="of another net")
    work_off(worker)
    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert "Restart the workers" in job.error_message


def test_impossible_requests(worker, gallery):
    with pytest.raises(Conflict, match="in force in"):
        start(gallery, "dlib-resnet")
    with pytest.raises(Unavailable, match="packs install absent"):
        start(gallery, "absent")
    with pytest.raises(Conflict, match="nothing to go back to"):
        services.go_back(actor=SYSTEM, gallery=gallery)
    with pytest.raises(Conflict, match="only has vectors"):
        services.forget_old_vectors(actor=SYSTEM, gallery=gallery)
    moved(worker, gallery)
    gallery.refresh_from_db()
    with pytest.raises(Conflict, match="in force in"):
        start(gallery)


def test_going_back_fails_if_whoever_asked_is_no_longer_an_owner(worker, gallery, hopper_again):
    moved(worker, gallery)
    gallery.refresh_from_db()
    enrol(worker, Identity.objects.get(name="Grace"), hopper_again + b"x")
    owner = member(gallery, Role.OWNER)
    back = services.go_back(actor=owner, gallery=gallery)
    owner.user.memberships.update(role=Role.CURATOR)
    work_off(worker)
    back.refresh_from_db()
    assert (back.status, pack_of(gallery)) == (Status.FAILED, SECOND)
    assert "owner" in back.error_message


@pytest.mark.parametrize("role", [Role.VIEWER, Role.CURATOR])
def test_only_owners_may(worker, gallery, role):
    actor = member(gallery, role)
    job = start(gallery)
    work_off(worker)
    before = list(ReEmbedding.objects.values())
    for act in (
        lambda: services.start_reembedding(actor=actor, gallery=gallery, pack=SECOND),
        lambda: services.cut_over(actor=actor, job=job),
        lambda: services.stop_reembedding(actor=actor, job=job),
        lambda: services.go_back(actor=actor, gallery=gallery),
        lambda: services.forget_old_vectors(actor=actor, gallery=gallery),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert list(ReEmbedding.objects.values()) == before
    assert vectors_by_pack(gallery.pk) == {"dlib-resnet": 3, SECOND: 3}
    assert pack_of(gallery) == "dlib-resnet"
