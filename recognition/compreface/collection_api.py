"""Subjects and their faces. Thin: parse, one service or queryset, answer."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from rest_framework.response import Response

from accounts import looks
from accounts.roles import Scope
from faceplatform.errors import InvalidInput, NotFound
from gallery.api import picture
from gallery.models import FaceCrop, FaceSample, Identity
from recognition.compreface import services
from recognition.compreface.base import CompreFaceView
from recognition.compreface.parameters import (
    checked_subject,
    new_subject_of,
    options_of,
    page_of,
    parameter,
    photos_of,
    subject_of,
    valid_uuids,
)
from recognition.photos.compiled_reads import ENROLMENT
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.services import raise_if_failed


class CollectionView(CompreFaceView):
    write_scope = Scope.ENROL

    @property
    def actor_and_gallery(self) -> dict[str, Any]:
        return {"actor": self.actor, "gallery": self.gallery}


class SubjectsView(CollectionView):
    def get(self, request):
        people = Identity.objects.visible_to(self.actor).filter(gallery=self.gallery)
        looks.seen(request, looks.Kind.PEOPLE, gallery=self.gallery)
        return Response({"subjects": list(people.order_by("name").values_list("name", flat=True).distinct())})

    def post(self, request):
        identity = services.add_subject(**self.actor_and_gallery, name=new_subject_of(request))
        return Response({"subject": identity.name}, status=201)

    def delete(self, request):
        people, _ = services.delete_subjects(**self.actor_and_gallery)
        return Response({"deleted": people})


class SubjectView(CollectionView):
    def put(self, request, subject):
        updated = services.rename_subject(
            **self.actor_and_gallery, name=checked_subject(subject), new_name=new_subject_of(request)
        )
        return Response({"updated": updated})

    def delete(self, request, subject):
        identity = services.require_subject(self.gallery, checked_subject(subject))
        services.delete_subjects(**self.actor_and_gallery, name=identity.name)
        return Response({"subject": identity.name})


class FacesView(CollectionView):
    def get(self, request):
        number, size = page_of(request)
        looks.seen(request, looks.Kind.PEOPLE, gallery=self.gallery)
        rows = self.samples().select_related("identity").order_by("pk")
        if subject := parameter(request, "subject"):
            rows = rows.filter(identity__in=services.subjects_named(self.gallery, subject))
        pages = Paginator(rows, size)
        faces = pages.page(number + 1) if number < pages.num_pages else []
        return Response(
            {
                "faces": [_face(sample) for sample in faces],
                "page_number": number,
                "page_size": size,
                "total_pages": pages.num_pages if pages.count else 0,
                "total_elements": pages.count,
            }
        )

    def post(self, request):
        name, options, [photo] = subject_of(request), options_of(request), photos_of(request)
        submitted, is_new = services.submit_example(
            **self.actor_and_gallery, name=name, photo=photo, min_detection_score=options.det_prob_threshold
        )

        def answer(row: RecognitionRequest) -> Response:
            if row.status == Status.FAILED and is_new and submitted.identity:
                services.delete_if_empty(actor=self.actor, identity=submitted.identity)
            return Response(_face(_sample_of(row)), status=201)

        return self.answer_when_finished([submitted], ENROLMENT, answer)

    def delete(self, request):
        """Deletes all faces of the subject, or of every subject. As in CompreFace, the subjects are deleted with them."""
        _, faces = services.delete_subjects(**self.actor_and_gallery, name=parameter(request, "subject") or None)
        return Response({"deleted": faces})


class FaceView(CollectionView):
    def delete(self, request, image_id):
        sample = self.sample(image_id)
        services.delete_faces(actor=self.actor, samples=[sample])
        return Response(_face(sample))


class DeleteFacesView(CollectionView):
    def post(self, request):
        """Ids that do not exist are ignored."""
        if not isinstance(request.data, list):
            raise InvalidInput("Send a JSON list of image ids.")
        rows = (
            self.samples().filter(pk__in=valid_uuids(request.data)).select_related("identity__gallery").order_by("pk")
        )
        samples = list(rows)
        services.delete_faces(actor=self.actor, samples=samples)
        return Response([_face(sample) for sample in samples])


class FaceImageView(CollectionView):
    answers_with = ("image/jpeg", "application/octet-stream")

    def get(self, request, image_id):
        """The stored crop of the face; an empty answer if there is none, as in CompreFace."""
        crops = FaceCrop.objects.filter(sample__in=self.samples().filter(pk__in=valid_uuids([image_id])))
        crop = crops.select_related("sample").first()
        if crop:
            looks.seen(request, looks.Kind.PICTURE, gallery=self.gallery, object_id=crop.sample.identity_id)
        return picture(crop.jpeg) if crop else HttpResponse(b"", content_type="application/octet-stream")


def _face(sample: FaceSample) -> dict[str, str]:
    return {"image_id": str(sample.pk), "subject": sample.identity.name}


def _sample_of(row: RecognitionRequest) -> FaceSample:
    """The sample that was enrolled, now or, if the photo is a repeated one, earlier.

    Raises the reason why the photo was refused, and NotFound (embedding_not_found) if the sample has been deleted since.
    """
    rows = FaceSample.objects.enrolled().select_related("identity")
    if row.error_code == "duplicate_photo" and row.identity:
        rows = rows.filter(identity=row.identity.current, photo_sha256=row.photo_sha256)
    else:
        raise_if_failed(row)
        rows = rows.filter(pk=row.sample_id)
    if (sample := rows.first()) is None:
        raise NotFound("The face has been deleted in the meantime. Add it again.", code="embedding_not_found")
    return sample
