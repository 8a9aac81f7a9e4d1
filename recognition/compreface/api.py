"""Photos: recognise, detect, verify. Thin: parse, one service, answer."""

from accounts.roles import Scope
from recognition.analysis.representation import comparison_as_dict
from recognition.analysis.services import compare_faces, detect_faces, embed_faces
from recognition.compreface import representation
from recognition.compreface.base import CompreFaceView, require_face
from recognition.compreface.parameters import CALCULATOR, TwoFilesInput, photos_of, wish_of
from recognition.photos.compiled_reads import COMPARISON, DETECTION, EMBEDDING, RECOGNITION
from recognition.photos.models import RecognitionRequest
from recognition.photos.services import submit_recognition


class PhotoView(CompreFaceView):
    write_scope = Scope.RECOGNIZE


class RecognizeView(PhotoView):
    def post(self, request):
        wish, [photo] = wish_of(request), photos_of(request)
        row = submit_recognition(
            actor=self.actor, gallery=self.gallery, photo=photo, top_k=wish.prediction_count, **wish.selection
        )
        return self.when_done([row], RECOGNITION, lambda row: representation.recognised(require_face(row), wish))


class DetectView(PhotoView):
    def post(self, request):
        wish, [photo] = wish_of(request), photos_of(request)
        wants_vectors = CALCULATOR in wish.plugins
        look = embed_faces if wants_vectors else detect_faces
        row = look(actor=self.actor, gallery=self.gallery, photo=photo, **wish.selection)
        read = EMBEDDING if wants_vectors else DETECTION
        return self.when_done([row], read, lambda row: representation.detected(require_face(row), wish))


class VerifyFaceView(PhotoView):
    """Each face of a photo against an enrolled one."""

    def post(self, request, image_id):
        wish, [photo] = wish_of(request), photos_of(request)
        sample = self.sample(image_id)
        submitted = compare_faces(
            actor=self.actor, gallery=self.gallery, photo=photo, reference=sample, **wish.selection
        )
        return self.when_done(
            submitted, COMPARISON, lambda row: representation.verified(row, comparison_as_dict(row)["matches"], wish)
        )


class VerifyView(PhotoView):
    """Each face of target_image against the one of source_image."""

    def post(self, request):
        wish, [source, target] = wish_of(request), photos_of(request, TwoFilesInput)
        submitted = compare_faces(
            actor=self.actor, gallery=self.gallery, photo=target, reference=source, **wish.selection
        )

        def answer(target: RecognitionRequest, source: RecognitionRequest) -> dict:
            return representation.verified_pair(target, source, comparison_as_dict(target)["matches"], wish)

        return self.when_done(submitted, COMPARISON, answer)
