"""Samples over REST."""

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import viewsets
from rest_framework.response import Response

from accounts import looks
from accounts.api_views import ActorMixin
from accounts.roles import Scope
from faceplatform.web.api import ProblemSerializer
from gallery import services
from gallery.api import PROBLEMS, SampleSerializer, picture, validated
from gallery.curation.services import move_sample
from gallery.models import FaceCrop, FaceSample, Identity


@extend_schema_view(
    retrieve=extend_schema(summary="Get a sample", responses={200: SampleSerializer, **PROBLEMS}),
    partial_update=extend_schema(
        summary="Move a sample to another person",
        responses={200: SampleSerializer, **PROBLEMS, 409: ProblemSerializer},
    ),
    destroy=extend_schema(summary="Delete a sample", responses={204: None, **PROBLEMS}),
)
class SampleViewSet(ActorMixin, viewsets.GenericViewSet):
    queryset = FaceSample.objects.none()
    serializer_class = SampleSerializer
    write_scope = Scope.ENROL

    def retrieve(self, request, pk):
        return Response(SampleSerializer(self._seen(pk)).data)

    def partial_update(self, request, pk):
        sample = self.get_visible(FaceSample.objects.select_related("identity__gallery"), pk=pk)
        to = validated(SampleSerializer, request)["identity_id"]
        person = self.get_visible(Identity.objects.select_related("gallery"), pk=to)
        move_sample(actor=self.actor, sample=sample, to=person)
        return self.retrieve(request, pk)

    def destroy(self, request, pk):
        sample = self.get_visible(FaceSample.objects.select_related("identity__gallery"), pk=pk)
        services.delete_sample(actor=self.actor, sample=sample)
        return Response(status=204)

    @extend_schema(
        summary="Get a sample's face as JPEG", responses={(200, "image/jpeg"): OpenApiTypes.BINARY, **PROBLEMS}
    )
    def crop(self, request, pk):
        return picture(get_object_or_404(FaceCrop, pk=self._seen(pk).pk).jpeg)

    def _seen(self, pk) -> FaceSample:
        sample = self.get_visible(FaceSample.objects.select_related("gallery"), pk=pk)
        if not looks.in_a_page(self.request):
            looks.seen(self.request, looks.Kind.PICTURE, gallery=sample.gallery, object_id=sample.identity_id)
        return sample
