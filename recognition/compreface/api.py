"""Photos: recognise, detect, verify. Thin: parse, one service, answer."""

from accounts.roles import Scope
from recognition.analysis.representation import comparison_as_dict
from recognition.analysis.services import compare_faces, detect_faces, embed_faces
from recognition.compreface import representation
from recognition.compreface.base import CompreFaceView, require_face
from recognition.compreface.parameters import CALCULATOR, TwoFilesInput, options_of, photos_of
from recognition.photos.compiled_reads import COMPARISON, DETECTION, EMBEDDING, RECOGNITION
from recognition.photos.models import RecognitionRequest
from recognition.photos.services import submit_recognition


class PhotoView(CompreFaceView):
    write_scope = Scope.RECOGNIZE


class RecognizeView(PhotoView):
    def post(self, request):
        options, [photo] = options_of(request), photos_of(request)
        row = submit_recognition(
            actor=self.actor,
            gallery=self.gallery,
            photo=photo,
            top_k=options.prediction_count,
            **options.face_selection,
        )
        return self.answer_when_done(
            [row], RECOGNITION, lambda row: representation.recognised(require_face(row), options)
        )


class DetectView(PhotoView):
    def post(self, request):
        options, [photo] = options_of(request), photos_of(request)
        with_vectors = CALCULATOR in options.plugins
        submit = embed_faces if with_vectors else detect_faces
        row = submit(actor=self.actor, gallery=self.gallery, photo=photo, **options.face_selection)
        read = EMBEDDING if with_vectors else DETECTION
        return self.answer_when_done([row], read, lambda row: representation.detected(require_face(row), options))


class VerifyFaceView(PhotoView):
    """Compares each face of a photo with an enrolled one."""

    def post(self, request, image_id):
        options, [photo] = options_of(request), photos_of(request)
        sample = self.sample(image_id)
        submitted = compare_faces(
            actor=self.actor, gallery=self.gallery, photo=photo, reference=sample, **options.face_selection
        )
        return self.answer_when_done(
            submitted, COMPARISON, lambda row: representation.verified(row, comparison_as_dict(row)["matches"], options)
        )


class VerifyView(PhotoView):
    """Compares each face of target_image with the one face of source_image."""

    def post(self, request):
        options, [source, target] = options_of(request), photos_of(request, TwoFilesInput)
        submitted = compare_faces(
            actor=self.actor, gallery=self.gallery, photo=target, reference=source, **options.face_selection
        )

        def answer(target: RecognitionRequest, source: RecognitionRequest) -> representation.Answer:
            return representation.verified_pair(target, source, comparison_as_dict(target)["matches"], options)

        return self.answer_when_done(submitted, COMPARISON, answer)
