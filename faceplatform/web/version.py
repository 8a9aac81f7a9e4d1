"""Which version of the platform this is."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from faceplatform import __version__
from faceplatform.web.api import ProblemSerializer


class VersionSchema(serializers.Serializer):
    version = serializers.CharField(
        help_text="Of the platform, such as 0.1.0. The API's own version is in its address."
    )


class VersionView(APIView):
    @extend_schema(summary="The platform's version", responses={200: VersionSchema, 401: ProblemSerializer})
    def get(self, request: Request) -> Response:
        return Response({"version": __version__})
