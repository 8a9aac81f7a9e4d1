"""Recognise and verify by vectors, as the plugin `calculator` returns them. Thin: parse, one service, answer."""

from rest_framework.response import Response

from accounts.roles import Scope
from faceplatform.web.parsers import JSONParser
from recognition.analysis.services import compare_vectors, search_vectors
from recognition.compreface import representation
from recognition.compreface.base import CompreFaceView
from recognition.compreface.parameters import SourceAndTargetsInput, options_of, vectors_of


class EmbeddingsView(CompreFaceView):
    parser_classes = [JSONParser]
    write_scope = Scope.RECOGNIZE


class RecognizeEmbeddingsView(EmbeddingsView):
    def post(self, request):
        vectors, options = vectors_of(request)["embeddings"], options_of(request)
        found = search_vectors(actor=self.actor, gallery=self.gallery, vectors=vectors, top_k=options.prediction_count)
        return Response(representation.searched(vectors, found))


class ComparisonView(EmbeddingsView):
    def compare(self, vectors, reference) -> Response:
        distances = compare_vectors(actor=self.actor, gallery=self.gallery, vectors=vectors, reference=reference)
        return Response(representation.similar_vectors(self.gallery.pack, vectors, distances))


class VerifyEmbeddingsView(ComparisonView):
    """Compares vectors with an enrolled face."""

    def post(self, request, image_id):
        return self.compare(vectors_of(request)["embeddings"], self.sample(image_id))


class VerifyTwoEmbeddingsView(ComparisonView):
    """Compares vectors with another vector."""

    def post(self, request):
        values = vectors_of(request, SourceAndTargetsInput)
        return self.compare(values["targets"], values["source"])
